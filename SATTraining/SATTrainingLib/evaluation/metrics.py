"""How well a mask agrees with a reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from monai.metrics.utils import get_code_to_measure_table
from scipy.spatial import KDTree

from SATSegmentLib.imaging.mask import bounding_box

_ROUNDING = 1e-4  # mm by which spacings in headers, and distances in single precision, are off


def scores(
    prediction: np.ndarray, reference: np.ndarray, spacing: Sequence[float], tolerance_mm: float = 1.0
) -> tuple[float, float]:
    """Dice (DSC) and normalised surface Dice (NSD) of a mask.

    As in SAT's evaluation, both are 1 where both masks are empty and 0 where only one is, and surfaces are those of
    DeepMind's surface-distance, whose areas MONAI has.

    Args:
        prediction, reference: Boolean arrays on one grid, any axes.
        spacing: Millimetres between voxels along the same axes.
        tolerance_mm: How far apart surfaces may lie and still agree.

    Returns:
        Both from 0 to 1.
    """
    sizes = int(np.count_nonzero(prediction)), int(np.count_nonzero(reference))
    if not all(sizes):
        agree = float(not any(sizes))
        return agree, agree
    box = tuple(slice(a, b) for a, b in zip(*bounding_box(prediction | reference), strict=True))
    prediction, reference = prediction[box], reference[box]
    dice = 2 * int(np.count_nonzero(prediction & reference)) / sum(sizes)
    return dice, _surface_dice(prediction, reference, spacing, tolerance_mm + _ROUNDING)


def _surface_dice(prediction: np.ndarray, reference: np.ndarray, spacing: Sequence[float], tolerance: float) -> float:
    """As `monai.metrics.compute_surface_dice` with subvoxels, in a tenth of its time: only elements of one surface that
    are not on the other are looked for there, and no further than the tolerance.
    """
    table = get_code_to_measure_table([float(step) for step in spacing])[0].numpy()
    codes = [_neighbourhoods(mask) for mask in (prediction, reference)]
    surfaces = [(code != 0) & (code != 255) for code in codes]
    trees = [KDTree(np.argwhere(surface) * spacing) for surface in surfaces]
    whole = within = 0.0
    for code, surface, other, tree in zip(codes, surfaces, surfaces[::-1], trees[::-1], strict=True):
        area = float(table[code[surface]].sum(dtype=np.float64))
        apart = surface & ~other
        distances, _ = tree.query(np.argwhere(apart) * spacing, distance_upper_bound=tolerance)
        whole += area
        within += area - float(table[code[apart]][np.isinf(distances)].sum(dtype=np.float64))
    return within / whole


def _neighbourhoods(mask: np.ndarray) -> np.ndarray:
    """For each corner of the voxels which of the eight around it are in the mask: a bit each, as in MONAI's table."""
    code = np.pad(mask, 1).view(np.uint8)
    code = code[:-1] << 4 | code[1:]
    code = code[:, :-1] << 2 | code[:, 1:]
    return code[:, :, :-1] << 1 | code[:, :, 1:]
