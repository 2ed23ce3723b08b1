"""Shapes that complete a label map: outlines, layers, tubes. Masks have the axes (R, A, S)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

Spacing = tuple[float, float, float]


def put(values: np.ndarray, mask: np.ndarray, value: int) -> None:
    """Gives a value to those voxels of a mask that have none."""
    values[mask & (values == 0)] = value


def box_of(mask: np.ndarray, margin: int = 0) -> tuple[slice, slice, slice]:
    """The smallest box that holds a mask, larger by a margin of voxels where the array allows it."""
    ends = [np.flatnonzero(mask.any(tuple({0, 1, 2} - {axis})))[[0, -1]] for axis in range(3)]
    return tuple(slice(max(0, first - margin), last + 1 + margin) for first, last in ends)


def distance(mask: np.ndarray, spacing: Spacing, step: float = 5.0) -> np.ndarray:
    """Millimetres to a mask's surface, negative inside; float32.

    Measured in blocks of about `step` millimetres, a block being inside where any of its voxels is, and smooth
    between them.
    """
    blocks, factors = _blocks(mask, spacing, step)
    return _voxels(_signed(blocks, np.multiply(factors, spacing)), factors, mask.shape)


def closed(mask: np.ndarray, spacing: Spacing, radius: float, step: float = 5.0, flat: bool = False) -> np.ndarray:
    """Millimetres to the surface of a mask after a closing with a ball, negative inside; as `distance`.

    Beyond the array's sides there is nothing; beyond its ends along S the body goes on.

    Args:
        flat: Close with a disc in every axial slice, and measure within the slices.
    """
    blocks, factors = _blocks(mask, spacing, step)
    size = np.multiply(factors, spacing) * (1, 1, 1e3 if flat else 1)
    pad = [int(np.ceil(radius / length)) + 1 for length in size]
    padded = np.pad(np.pad(blocks, [(n, n) for n in pad[:2]] + [(0, 0)]), [(0, 0)] * 2 + [(pad[2],) * 2], mode="edge")
    grown = ndimage.distance_transform_edt(~padded, size) <= radius
    padded = ndimage.distance_transform_edt(grown, size) > radius
    inner = padded[tuple(slice(n, -n) for n in pad)]
    return _voxels(_signed(inner | blocks, size), factors, mask.shape)


def filled(mask: np.ndarray, axis: int = 2) -> np.ndarray:
    """A mask with the holes of every slice across an axis filled."""
    out = mask.copy()
    for k in np.flatnonzero(mask.any(tuple(i for i in range(3) if i != axis))):
        index = tuple(k if i == axis else slice(None) for i in range(3))
        out[index] = ndimage.binary_fill_holes(mask[index])
    return out


def holes(mask: np.ndarray, axis: int, most: int) -> np.ndarray:
    """The holes of the slices of a mask across an axis, those of up to `most` voxels."""
    box = box_of(mask)
    out = np.zeros_like(mask)
    found = filled(mask[box], axis) & ~mask[box]
    flat = np.zeros((3, 3, 3), bool)
    flat[tuple(1 if i == axis else slice(None) for i in range(3))] = ndimage.generate_binary_structure(2, 1)
    pieces, _ = ndimage.label(found, flat)
    small = np.bincount(pieces.ravel()) <= most
    small[0] = False
    out[box] = small[pieces]
    return out


def largest(mask: np.ndarray) -> np.ndarray:
    """The largest connected piece of a mask."""
    pieces, count = ndimage.label(mask)
    return pieces == np.bincount(pieces.ravel())[1:].argmax() + 1 if count else mask


def tube(shape: Sequence[int], spacing: Spacing, points: Sequence[Sequence[float]], radius: float) -> np.ndarray:
    """A round tube along a line of points (voxels), `radius` in millimetres."""
    points = np.asarray(points, dtype=float)
    steps = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
    along = np.linspace(0, steps[-1], int(steps[-1] * 2) + 2)
    line = np.stack([np.interp(along, steps, points[:, i]) for i in range(3)], 1)
    line = ndimage.gaussian_filter1d(line, min(6, len(line) / 8), axis=0, mode="nearest")
    margin = np.ceil(radius / np.asarray(spacing)).astype(int) + 1
    first = np.clip(np.floor(line.min(0)).astype(int) - margin, 0, np.asarray(shape) - 1)
    stop = np.clip(np.ceil(line.max(0)).astype(int) + margin + 1, first + 1, shape)
    seeds = np.ones(stop - first, bool)
    index = np.rint(line).astype(int) - first
    index = index[((index >= 0) & (index < stop - first)).all(1)]
    seeds[tuple(index.T)] = False
    mask = np.zeros(shape, bool)
    if len(index):
        inside = ndimage.distance_transform_edt(seeds, spacing) <= radius
        mask[tuple(slice(a, b) for a, b in zip(first, stop, strict=True))] = inside
    return mask


def ellipsoid(shape: Sequence[int], spacing: Spacing, centre: Sequence[float], radii: Sequence[float]) -> np.ndarray:
    """An ellipsoid; its centre in voxels, its radii in millimetres."""
    axes = np.ogrid[tuple(slice(n) for n in shape)]
    parts = zip(axes, spacing, centre, radii, strict=True)
    return sum(((x - c) * length / r) ** 2 for x, length, c, r in parts) <= 1


def without_specks(mask: np.ndarray, least: int) -> np.ndarray:
    """A mask without its connected pieces of fewer than `least` voxels."""
    pieces, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    large = np.bincount(pieces.ravel()) >= least
    large[0] = False
    return large[pieces]


def _signed(mask: np.ndarray, size: Sequence[float]) -> np.ndarray:
    if not mask.any():
        return np.full(mask.shape, np.inf)
    half = min(size) / 2  # a voxel's middle to its side
    outside = ndimage.distance_transform_edt(~mask, size)
    inside = ndimage.distance_transform_edt(mask, size) if not mask.all() else np.full(mask.shape, 1e3)
    return np.where(mask, half - inside, outside - half)


def _blocks(mask: np.ndarray, spacing: Spacing, step: float) -> tuple[np.ndarray, list[int]]:
    factors = [max(1, round(step / length)) for length in spacing]
    mask = np.pad(mask, [(0, -n % factor) for n, factor in zip(mask.shape, factors, strict=True)], mode="edge")
    split = [part for n, factor in zip(mask.shape, factors, strict=True) for part in (n // factor, factor)]
    return mask.reshape(split).any((1, 3, 5)), factors


def _voxels(blocks: np.ndarray, factors: list[int], shape: Sequence[int]) -> np.ndarray:
    if factors != [1, 1, 1]:
        blocks = ndimage.zoom(blocks.astype(np.float32), factors, order=1, grid_mode=True, mode="nearest")
    return blocks[tuple(slice(n) for n in shape)].astype(np.float32)
