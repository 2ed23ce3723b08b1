"""The model's grid of a volume, and the way back.

A model sees volumes in one orientation and spacing. Both are reached along the volume's own axes
(swapped, flipped and resampled), never by a rotation, so that each axis maps by itself and a result
comes back exactly to the voxels it came from, oblique volumes included.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .mask import Box
from .volume import Volume


@dataclass(frozen=True, eq=False)
class Grid:
    """Where a model's voxels lie in a volume.

    "Oriented" axes are the volume's, swapped and flipped to `axis_codes`. The resampled grid keeps the
    first oriented voxel's centre and has `round((n - 1) * old / new) + 1` voxels an axis (MONAI's
    `Spacing`). `crop` is the part of it that the model sees.

    Attributes:
        source_shape, source_affine: The volume's.
        source_axes: For each oriented axis the source axis it is.
        flips: For each oriented axis whether it runs against its source axis.
        spacing: Millimetres along the model's axes.
        shape: Voxels of the whole resampled grid.
        crop: First voxel and one past the last of the part the model sees.
    """

    source_shape: tuple[int, int, int]
    source_affine: np.ndarray
    source_axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]
    crop: Box

    @classmethod
    def of(cls, volume: Volume, spacing: tuple[float, float, float], axis_codes: str = "RAS") -> Grid:
        """The whole grid of `volume` at `spacing`, uncropped."""
        from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

        transform = ornt_transform(io_orientation(volume.affine), axcodes2ornt(axis_codes))
        source_axes = tuple(int(i) for i in np.argsort(transform[:, 0]))
        flips = tuple(bool(transform[axis, 1] < 0) for axis in source_axes)
        shape = tuple(
            int(np.round((volume.shape[axis] - 1) * volume.spacing[axis] / new)) + 1
            for axis, new in zip(source_axes, spacing, strict=True)
        )
        return cls(volume.shape, volume.affine, source_axes, flips, tuple(spacing), shape, ((0, 0, 0), shape))

    @property
    def crop_shape(self) -> tuple[int, int, int]:
        """Voxels of the part the model sees."""
        return tuple(stop - start for start, stop in zip(*self.crop, strict=True))

    @property
    def affine(self) -> np.ndarray:
        """4x4, voxel indices of the cropped model grid to RAS millimetres."""
        affine = np.eye(4)
        origin = np.zeros(3)
        for axis, (source, flip) in enumerate(zip(self.source_axes, self.flips, strict=True)):
            column = self.source_affine[:3, source]
            scale = self.spacing[axis] / np.linalg.norm(column)
            affine[:3, axis] = column * scale * (-1 if flip else 1)
            origin[source] = self.source_shape[source] - 1 if flip else 0
        first = self.source_affine @ [*origin, 1]
        affine[:3, 3] = first[:3] + affine[:3, :3] @ self.crop[0]
        return affine

    def cropped(self, box: Box) -> Grid:
        """The same grid with another crop, given in voxels of the whole resampled grid."""
        return dataclasses.replace(self, crop=box)

    def box_of_ras(self, bounds: tuple[float, float, float, float, float, float]) -> Box:
        """The smallest box of the crop that holds a RAS box.

        Args:
            bounds: (R0, A0, S0, R1, A1, S1) in millimetres, corners in any order.

        Raises:
            InputError: The box lies outside the crop.
        """
        corners = np.array(bounds, dtype=np.float64).reshape(2, 3)
        points = np.array(
            [[corners[i, 0], corners[j, 1], corners[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)]
        )
        inverse = np.linalg.inv(self.cropped(((0, 0, 0), self.shape)).affine)
        voxels = points @ inverse[:3, :3].T + inverse[:3, 3]
        start = np.maximum(np.floor(voxels.min(0) + 0.5).astype(int), self.crop[0])
        stop = np.minimum(np.ceil(voxels.max(0) + 0.5).astype(int), self.crop[1])
        if (stop <= start).any():
            raise InputError("The region of interest lies outside the part of the volume that holds tissue.")
        return tuple(start.tolist()), tuple(stop.tolist())

    def resample(self, array: np.ndarray, nearest: bool = False) -> np.ndarray:
        """`array` of the volume's shape on the cropped grid, trilinear and edge-clamped.

        Args:
            array: Axes (I, J, K).
            nearest: Take the nearest voxel instead, for labels; the type is kept.

        Returns:
            Axes as `axis_codes`, shape `crop_shape`; float32 unless `nearest`.
        """
        oriented = array.transpose(self.source_axes)
        oriented = oriented[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]
        for axis in np.argsort([new / old for new, old in zip(self.crop_shape, oriented.shape, strict=True)]):
            step = self._step(axis)
            positions = np.arange(self.crop[0][axis], self.crop[1][axis]) * step
            if nearest:
                index = np.clip(np.floor(positions + 0.5).astype(int), 0, oriented.shape[axis] - 1)
                oriented = np.take(oriented, index, axis)
            else:
                oriented = _interpolate(oriented, positions, axis)
        return np.ascontiguousarray(oriented)

    def restore(self, block: np.ndarray, start: tuple[int, int, int], skip_first: bool = False):
        """Values of the source's voxels that lie inside a block of the resampled grid.

        Args:
            block: Values on the resampled grid, axes as `axis_codes`.
            start: The block's first voxel, in voxels of the whole resampled grid.
            skip_first: Leave out source voxels exactly on the block's first slice along its last axis,
                for blocks that follow each other with one slice in common.

        Returns:
            (slices, values): the source voxels covered (axes (I, J, K)) and their values, trilinear,
            edge-clamped where the whole grid ends; or None where there are none.
        """
        slices: list[slice] = [slice(0)] * 3
        for axis in range(3):
            source = self.source_axes[axis]
            last = self.shape[axis] - 1
            positions = np.clip(np.arange(self.source_shape[source]) / self._step(axis), 0, last)
            inside = (positions >= start[axis]) & (positions <= start[axis] + block.shape[axis] - 1)
            if skip_first and axis == 2:
                inside &= positions > start[axis]
            (index,) = np.nonzero(inside)
            if not index.size:
                return None
            block = _interpolate(block, positions[index] - start[axis], axis)
            first, stop = int(index[0]), int(index[-1]) + 1
            if self.flips[axis]:
                n = self.source_shape[source]
                first, stop = n - stop, n - first
                block = np.flip(block, axis)
            slices[source] = slice(first, stop)
        return tuple(slices), block.transpose(np.argsort(self.source_axes))

    def _step(self, axis: int) -> float:
        """Oriented source voxels a voxel of the resampled grid."""
        return self.spacing[axis] / float(np.linalg.norm(self.source_affine[:3, self.source_axes[axis]]))


def _interpolate(array: np.ndarray, positions: np.ndarray, axis: int) -> np.ndarray:
    """Linear values at `positions` (voxels along `axis`, clamped to the array), as float32."""
    last = array.shape[axis] - 1
    positions = np.clip(positions, 0, last)
    lower = np.floor(positions).astype(int)
    fraction = (positions - lower).astype(np.float32)
    array = array.astype(np.float32, copy=False)
    below = np.take(array, lower, axis)
    if not fraction.any():
        return below
    above = np.take(array, np.minimum(lower + 1, last), axis)
    above -= below
    above *= fraction.reshape([-1 if i == axis else 1 for i in range(3)])
    above += below
    return above
