"""A picture of a body without noise: each tissue in its brightness, with what lies within it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np

from .contrast import Look
from .noise import smooth_noise
from .tissues import TISSUES

_FINE, _COARSE = 3.0, 20.0  # millimetres of texture
_PATCH = 12.0  # millimetres of what is mixed into a tissue
_LEVEL = 50.0  # millimetres over which gas in a hollow organ stands as high
_VESSEL = 14.0  # millimetres between vessels of the lungs


def paint(
    values: np.ndarray,
    spacing: Sequence[float],
    tissues: Mapping[int, str],
    look: Look,
    air: float,
    random: np.random.Generator,
) -> np.ndarray:
    """The picture.

    Args:
        values: (R, A, S) integers, the map's; 0 is air.
        spacing: Millimetres.
        tissues: Every value but 0 to its tissue.
        look: Brightness of tissues.
        air: Brightness around the body.
        random: Where structures' own brightness and texture are drawn from.

    Returns:
        float32 (R, A, S).
    """
    size = max(tissues) + 1
    mean, rough = np.full(size, air, np.float32), np.zeros(size, np.float32)
    for value, name in tissues.items():
        middle, between, within = look[name]
        mean[value], rough[value] = middle + between * random.standard_normal(), within
    image, texture = mean[values], rough[values]

    def put(name: str, where: np.ndarray) -> None:
        image[where], texture[where] = look[name][0], look[name][2]

    for name in sorted(set(tissues.values())):
        tissue = TISSUES[name]
        if not (tissue.mixed or tissue.rim):
            continue
        inside = np.isin(values, [value for value, own in tissues.items() if own == name])
        if not inside.any():
            continue
        if tissue.mixed:
            share = tissue.share * random.uniform(0.2, 1.0)
            put(tissue.mixed, inside & _PATTERNS.get(tissue.mixed, _patches)(inside, spacing, share, random))
        if tissue.rim:
            put(tissue.rim, inside & _surfaces(values))
    fine, coarse = (smooth_noise(values.shape, spacing, scale, random) for scale in (_FINE, _COARSE))
    return image + texture * (0.75 * fine + 0.65 * coarse)


def _patches(inside: np.ndarray, spacing, share: float, random: np.random.Generator) -> np.ndarray:
    return smooth_noise(inside.shape, spacing, _PATCH, random) > NormalDist().inv_cdf(1 - share)


def _vessels(inside: np.ndarray, spacing, share: float, random: np.random.Generator) -> np.ndarray:
    """Threads: where two random fields are both near 0."""
    first, second = (smooth_noise(inside.shape, spacing, _VESSEL, random) for _ in range(2))
    return first**2 + second**2 < 2 * share


def _gas(inside: np.ndarray, spacing, share: float, random: np.random.Generator) -> np.ndarray:
    """What has risen to the front of a hollow organ of someone who lies on the back, with a level surface."""
    index = np.arange(inside.shape[1], dtype=np.float32)[None, :, None]
    last = np.maximum.accumulate(np.where(inside, -1, index), axis=1)  # the last voxel outside, behind
    next_ = np.minimum.accumulate(np.where(inside, len(index[0]), index)[:, ::-1], axis=1)[:, ::-1]
    height = (index - last) / np.maximum(next_ - last, 1)
    level = smooth_noise(inside.shape, spacing, _LEVEL, random)
    return height > 1 - share + 0.35 * level


def _surfaces(values: np.ndarray) -> np.ndarray:
    """Voxels beside which another value lies."""
    found = np.zeros(values.shape, bool)
    for axis in range(3):
        moved, found_moved = np.moveaxis(values, axis, 0), np.moveaxis(found, axis, 0)
        differ = moved[1:] != moved[:-1]
        found_moved[1:] |= differ
        found_moved[:-1] |= differ
    return found


_PATTERNS = {"gas": _gas, "lung vessel": _vessels}
