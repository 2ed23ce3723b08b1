"""Slicer's nodes in and out: labelled cases, curves."""
