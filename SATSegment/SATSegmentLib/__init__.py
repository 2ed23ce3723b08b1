"""The engine of the SATSegment extension; usable without 3D Slicer."""

__version__ = "0.1.0"
