"""Volumes synthesised from label maps: cases to train on without a patient's scan."""

from .generate import generate
from .tissue_map import TissueMap

__all__ = ["TissueMap", "generate"]
