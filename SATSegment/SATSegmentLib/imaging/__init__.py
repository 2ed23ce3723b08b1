"""Volumes, the model's grid and its inverse, intensities, reading."""

from .grid import Grid
from .intensity import prepare
from .mask import Box, Mask
from .modality import MODALITIES, modality_of_word
from .volume import Volume

__all__ = ["MODALITIES", "Box", "Grid", "Mask", "Volume", "modality_of_word", "prepare"]
