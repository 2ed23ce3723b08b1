"""Training of SAT networks; uses the engine in SATSegmentLib, never the other way."""
