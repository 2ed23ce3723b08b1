"""A mask on a volume's grid, held as the block of voxels it lies in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

Box = tuple[tuple[int, int, int], tuple[int, int, int]]  # first voxel, one past the last


def bounding_box(array: np.ndarray) -> Box | None:
    """The smallest box that holds all true voxels of a boolean array, or None where there are none."""
    start, stop = [], []
    for axis in range(3):
        (index,) = np.nonzero(array.any(tuple(other for other in range(3) if other != axis)))
        if not index.size:
            return None
        start.append(int(index[0]))
        stop.append(int(index[-1]) + 1)
    return tuple(start), tuple(stop)


@dataclass(frozen=True, eq=False)
class Mask:
    """A boolean array that is false outside a block.

    Attributes:
        shape: Voxels of the whole array, axes (I, J, K).
        start: The block's first voxel.
        block: The block, bool; of shape (0, 0, 0) for an empty mask.
    """

    shape: tuple[int, int, int]
    start: tuple[int, int, int]
    block: np.ndarray

    @classmethod
    def of(cls, array: np.ndarray, start: tuple[int, int, int] = (0, 0, 0), shape=None) -> Mask:
        """The mask of a boolean array that begins at `start` in an array of `shape` (its own if None)."""
        shape = array.shape if shape is None else tuple(shape)
        box = bounding_box(array)
        if box is None:
            return cls.empty(shape)
        first, stop = box
        block = array[tuple(slice(a, b) for a, b in zip(first, stop, strict=True))]
        return cls(shape, tuple(a + b for a, b in zip(start, first, strict=True)), np.array(block, dtype=bool))

    @classmethod
    def empty(cls, shape: tuple[int, int, int]) -> Mask:
        """The mask of `shape` that is false everywhere."""
        return cls(tuple(shape), (0, 0, 0), np.zeros((0, 0, 0), bool))

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Where the block lies in the whole array."""
        return tuple(slice(a, a + n) for a, n in zip(self.start, self.block.shape, strict=True))

    @cached_property
    def voxels(self) -> int:
        """How many voxels are true."""
        return int(np.count_nonzero(self.block))

    @property
    def array(self) -> np.ndarray:
        """The whole array, bool, axes (I, J, K); made anew at each call."""
        array = np.zeros(self.shape, bool)
        array[self.slices] = self.block
        return array

    def overlaps(self, other: Mask) -> bool:
        """Whether any voxel is true in both; both on the same grid."""
        start = np.maximum(self.start, other.start)
        stop = np.minimum(np.add(self.start, self.block.shape), np.add(other.start, other.block.shape))
        if (stop <= start).any():
            return False
        mine, theirs = (
            mask.block[tuple(slice(a - o, b - o) for a, b, o in zip(start, stop, mask.start, strict=True))]
            for mask in (self, other)
        )
        return bool((mine & theirs).any())
