"""The parts of SATTraining's panel."""
