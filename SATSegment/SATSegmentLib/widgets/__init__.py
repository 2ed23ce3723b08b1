"""The parts of the panels."""
