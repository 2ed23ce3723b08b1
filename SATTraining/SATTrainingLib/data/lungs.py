"""Lung labels for head-and-neck CT, derived from the air in the chest.

Clinical contours for radiotherapy of the head and neck leave the lungs out although their upper part
is in the picture. These labels are weak: good enough to learn from, never to evaluate on.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

TERMS = ("left lung", "right lung", "lung")

_AIR_BELOW = -400.0  # Hounsfield units
_TISSUE_ABOVE = -300.0
_TRACHEA_AREA = 600.0  # mm2; larger pieces of air in an axial slice are lung
_LUNG_VOLUME = 50_000.0  # mm3; smaller pieces are no lung


def label_lungs(
    hounsfield: np.ndarray, spacing: tuple[float, float, float], top: int, midline: float
) -> tuple[np.ndarray, np.ndarray]:
    """Left and right lung as masks.

    Args:
        hounsfield: CT, axes (R, A, S).
        spacing: Millimetres along them.
        top: First axial slice above the lungs (the larynx' lowest, say).
        midline: Position of the spinal cord along R, in voxels.

    Returns:
        (left, right), both empty where no lung is found.
    """
    body = hounsfield > _TISSUE_ABOVE
    pieces, count = ndimage.label(body)
    if count:
        body = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    air = np.zeros_like(body)
    smallest = _TRACHEA_AREA / (spacing[0] * spacing[1])
    for k in range(max(top, 0)):
        # a table's or the arms' air is outside; the lungs are holes of the body's slice
        inside = ndimage.binary_fill_holes(body[:, :, k]) & (hounsfield[:, :, k] < _AIR_BELOW)
        parts, number = ndimage.label(inside)
        if number:
            sizes = np.bincount(parts.ravel())
            sizes[0] = 0
            air[:, :, k] = (sizes >= smallest)[parts]
    pieces, count = ndimage.label(air)
    if count:
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        air = (sizes * np.prod(spacing) >= _LUNG_VOLUME)[pieces]
    air = ndimage.binary_closing(air, iterations=1) & (hounsfield < 0) | air
    right = air & (np.arange(air.shape[0]) > midline)[:, None, None]
    return air & ~right, right
