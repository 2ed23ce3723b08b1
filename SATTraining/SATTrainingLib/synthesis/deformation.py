"""Random shapes: another build, another posture, other organs' places; never a mirror image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from .noise import enlarge, smooth_noise

_SCALE = (0.85, 1.15)  # each axis
_SHEAR = 0.06
_TURN = 12.0  # degrees, each axis
_SWAY = 30.0  # millimetres that a turn may move the ends of what is seen
_STEP = 6.0  # millimetres between the displacements that are computed
_SQUARINGS = 5
# Share of the map's extent that a displacement's patches are wide, and its standard deviation in the same share
_PATCHES = ((0.25, 0.012), (0.09, 0.004))
_LARGEST = 420.0  # millimetres; beyond it patches grow no more


def random_matrix(extent: Sequence[float], random: np.random.Generator) -> np.ndarray:
    """3x3, millimetres of the picture to millimetres of the map, about the middle of what is seen.

    Args:
        extent: Millimetres of the map that are seen along (R, A, S).
    """
    sizes = np.asarray(extent, float)
    # about each axis what lies farthest from it moves most
    reach = np.array([max(sizes[1:]), max(sizes[0], sizes[2]), max(sizes[:2])]) / 2
    most = np.minimum(_TURN, np.degrees(np.arctan(_SWAY / reach)))
    turn = Rotation.from_euler("xyz", random.uniform(-most, most), degrees=True).as_matrix()
    shear = np.eye(3)
    shear[np.triu_indices(3, 1)] = random.uniform(-_SHEAR, _SHEAR, 3)
    return turn @ shear @ np.diag(1 / random.uniform(*_SCALE, 3))


def random_displacement(extent: Sequence[float], size: float, random: np.random.Generator) -> np.ndarray:
    """Displacements that do not fold: a smooth velocity, integrated by scaling and squaring.

    Args:
        extent: Millimetres of the picture along (R, A, S).
        size: Millimetres of the body, which patches and displacements are in proportion to.
        random: Where the velocity is drawn from.

    Returns:
        float32 (3, R, A, S), millimetres along R, A, S, on a coarse grid from the picture's first voxel to its last.
    """
    size = min(size, _LARGEST)
    shape = [max(3, int(np.ceil(length / _STEP)) + 1) for length in extent]
    steps = np.array([length / (n - 1) for length, n in zip(extent, shape, strict=True)])
    velocity = np.zeros((3, *shape), np.float32)
    for width, deviation in _PATCHES:
        strength = deviation * size * random.uniform(0.4, 1.2)
        for axis in range(3):
            velocity[axis] += strength * smooth_noise(shape, steps, width * size, random)
    displacement = velocity / 2**_SQUARINGS
    index = np.indices(shape, np.float32)
    for _ in range(_SQUARINGS):
        moved = index + displacement / steps.reshape(3, 1, 1, 1)
        displacement = displacement + np.stack(
            [map_coordinates(d, moved, order=1, mode="nearest") for d in displacement]
        )
    return displacement.astype(np.float32)


def sample(
    values: np.ndarray,
    map_spacing: Sequence[float],
    middle: Sequence[float],
    shape: Sequence[int],
    spacing: Sequence[float],
    matrix: np.ndarray,
    displacement: np.ndarray,
) -> np.ndarray:
    """The map's values in a picture's voxels, nearest; where the map ends its last voxels are repeated.

    Args:
        values: (R, A, S) integers below 2**24.
        map_spacing: Millimetres between them.
        middle: Millimetres of the map, from its first voxel, that lie in the picture's middle.
        shape: Voxels of the picture.
        spacing: Millimetres between them.
        matrix: As of `random_matrix`.
        displacement: As of `random_displacement`.

    Returns:
        int32 of `shape`.
    """
    grid = torch.from_numpy(enlarge(displacement, shape))
    for row in range(3):
        for axis in range(3):
            along = (np.arange(shape[axis]) - (shape[axis] - 1) / 2) * spacing[axis] * matrix[row, axis]
            grid[row] += torch.from_numpy(along.astype(np.float32)).reshape([-1 if i == axis else 1 for i in range(3)])
    for row in range(3):
        voxels = (grid[row] + float(middle[row])) / map_spacing[row]
        grid[row] = voxels * (2 / max(values.shape[row] - 1, 1)) - 1
    grid = grid.flip(0).movedim(0, -1)[None]  # `grid_sample` wants the last axis first
    source = torch.from_numpy(np.ascontiguousarray(values, np.float32))[None, None]
    sampled = F.grid_sample(source, grid, "nearest", "border", align_corners=True)
    return sampled[0, 0].to(torch.int32).numpy()
