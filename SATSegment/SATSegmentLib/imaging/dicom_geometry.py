"""Where DICOM slices lie in the patient, and the right-angled grid that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .volume import LPS_TO_RAS

_SAME_PLACE = 1e-3  # mm
_SAME_DIRECTION = 1e-3  # sine
_UNEVEN = 0.1  # of the usual distance between slices
_ASTRAY = 0.2  # of it, how far a slice may lie from its place on the grid
_STEEPEST = 45  # degrees; gantries tilt by 30
_ONE_PIXEL = 0.5 + 1e-3  # of a pixel, how far from a slice's own place its pixels may be put


@dataclass(frozen=True, eq=False)
class Slice:
    """One plane of pixels.

    Attributes:
        origin: LPS millimetres of the first pixel's centre.
        right, down: Unit vectors, LPS, along a row (i) and along a column (j).
        spacing: Millimetres between pixels along i and j.
        size: Pixels along i and j.
    """

    origin: np.ndarray
    right: np.ndarray
    down: np.ndarray
    spacing: tuple[float, float]
    size: tuple[int, int]

    @property
    def normal(self) -> np.ndarray:
        return np.cross(self.right, self.down)

    def is_like(self, other: Slice) -> bool:
        """Whether both have the same direction, spacing and size, but for rounding."""
        return (
            self.size == other.size
            and np.allclose(self.spacing, other.spacing, rtol=1e-3)
            and np.abs(self.right - other.right).max() < _SAME_DIRECTION
            and np.abs(self.down - other.down).max() < _SAME_DIRECTION
        )


@dataclass(frozen=True, eq=False)
class Stack:
    """The right-angled grid of parallel slices, whose planes are the slices' own.

    Attributes:
        order: Of each slice of the grid the number of its source slice; -1 for the one that is missing.
        shape: Voxels along (I, J, K).
        affine: 4x4, voxels to RAS millimetres.
        shifts: Of each slice of the grid where the first pixel of its source lies, (slices, 2) in whole pixels.
        tilt: Degrees that the gantry was tilted by.
    """

    order: list[int]
    shape: tuple[int, int, int]
    affine: np.ndarray
    shifts: np.ndarray
    tilt: float

    @property
    def missing(self) -> int | None:
        """The slice of the grid that has no source."""
        return self.order.index(-1) if -1 in self.order else None

    @property
    def sheared(self) -> bool:
        """Whether slices are shifted against each other."""
        return bool(np.ptp(self.shifts, axis=0).any())


def slices_of(dataset) -> list[Slice]:
    """The slices of a DICOM image, in the order of its frames; none where it does not tell their place.

    Args:
        dataset: A pydicom dataset, single-frame or with functional groups; pixels are not needed.
    """
    try:
        if "PerFrameFunctionalGroupsSequence" not in dataset:
            return [_slice(dataset, dataset, dataset, dataset)]
        shared = dataset.SharedFunctionalGroupsSequence[0] if "SharedFunctionalGroupsSequence" in dataset else {}
        names = ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
        return [
            _slice(dataset, *((frame if name in frame else shared)[name][0] for name in names))
            for frame in dataset.PerFrameFunctionalGroupsSequence
        ]
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return []


def _slice(image, position, orientation, measures) -> Slice:
    axes = np.array(orientation.ImageOrientationPatient, dtype=float).reshape(2, 3)
    lengths = np.linalg.norm(axes, axis=1)
    down, right = (float(value) for value in measures.PixelSpacing)  # between rows, between columns
    origin = np.array(position.ImagePositionPatient, dtype=float)
    if origin.shape != (3,) or lengths.min() < 0.5 or min(right, down) <= 0:
        raise ValueError
    axes /= lengths[:, None]
    return Slice(origin, axes[0], axes[1], (right, down), (int(image.Columns), int(image.Rows)))


def stack(slices: Sequence[Slice], name: str) -> Stack:
    """The grid of slices of the same direction, size and spacing, in any order.

    Slices of a tilted gantry, each shifted against the one before, are put in place to the nearest pixel: nothing is
    interpolated, and each voxel is one pixel of the source. A single missing slice is left as a gap in `order`.

    Args:
        slices: Two or more.
        name: What to call them in messages.

    Raises:
        InputError: They lie at one position, unevenly, or make no volume.
    """
    first = slices[0]
    if len(slices) < 2:
        raise InputError(f"{name} is a single slice; give a series of several.")
    if not all(first.is_like(other) for other in slices):
        raise InputError(f"{name} has slices of different directions, sizes or pixels; give a series of parallel ones.")
    origins = np.array([one.origin for one in slices])
    heights = origins @ first.normal
    order = np.argsort(heights, kind="stable")
    distances = np.diff(heights[order])
    usual = float(np.median(distances))
    if distances.min() < _SAME_PLACE:
        raise InputError(
            f"{name} has several slices at one position, as a series over time does; export one time point."
        )
    places = np.arange(len(slices))
    uneven = np.flatnonzero(np.abs(distances - usual) > _UNEVEN * usual)
    if uneven.size == 1 and abs(distances[uneven[0]] - 2 * usual) <= _UNEVEN * usual:
        places[uneven[0] + 1 :] += 1
    elif uneven.size:
        where = int(uneven[0])
        raise InputError(
            f"{name} has slices {distances[where]:.2f} mm apart after slice {where + 1} where {usual:.2f} mm is usual: "
            "slices are missing, doubled or uneven. Export the complete series, or resample it."
        )
    even = heights[order[0]] + places * np.ptp(heights) / places[-1]
    if (astray := np.abs(heights[order] - even).max()) > _ASTRAY * usual:
        raise InputError(
            f"{name} has slices that lie up to {astray:.2f} mm beside even distances of {usual:.2f} mm; resample it."
        )
    return _grid(first, origins[order], order, places, name)


def _grid(first: Slice, origins: np.ndarray, order: np.ndarray, places: np.ndarray, name: str) -> Stack:
    """The grid of slices sorted along their normal, at `places` along its third axis."""
    steps = origins - origins[0]
    rise = steps[-1] @ first.normal
    along = np.stack([steps @ first.right, steps @ first.down], axis=1)
    tilt = float(np.degrees(np.arctan2(np.linalg.norm(along, axis=1).max(), rise)))
    if tilt > _STEEPEST:
        raise InputError(f"{name} has slices that are shifted by more than their distance; they make no volume.")
    shifts = np.round(along / first.spacing).astype(int)
    corner = shifts.min(axis=0)
    depth = int(places[-1]) + 1
    source, moved = [-1] * depth, np.zeros((depth, 2), int)
    for place, number, shift in zip(places, order, shifts - corner, strict=True):
        source[place], moved[place] = int(number), shift
    affine = np.eye(4)
    affine[:3, 0] = first.right * first.spacing[0]
    affine[:3, 1] = first.down * first.spacing[1]
    affine[:3, 2] = first.normal * rise / (depth - 1)
    affine[:3, 3] = origins[0] + affine[:3, :2] @ corner
    size = np.add(first.size, np.ptp(shifts, axis=0)).tolist()
    return Stack(source, (*size, depth), LPS_TO_RAS @ affine, moved, tilt)


def places_on_grid(
    slices: Sequence[Slice], affine: np.ndarray, shape: tuple[int, int, int]
) -> list[tuple[int, int, int] | None]:
    """Of each slice the voxel (i, j, k) of a grid that its first pixel is, inside the grid or not.

    Args:
        slices: Of the source.
        affine: 4x4, voxels of the grid to RAS millimetres.
        shape: Voxels of the grid.

    Returns:
        None for slices above or below the grid.

    Raises:
        InputError: The grid's slices are no slices of the source.
    """
    to_grid = np.linalg.inv(affine) @ LPS_TO_RAS
    found = []
    for one in slices:
        axes = to_grid[:3, :3] @ np.stack([one.right * one.spacing[0], one.down * one.spacing[1]], axis=1)
        place = to_grid[:3, :3] @ one.origin + to_grid[:3, 3]
        nearest = np.round(place)
        # a row and a column may run astray by half a pixel over the whole slice
        astray = np.abs(axes - np.eye(3)[:, :2]) * one.size
        if astray.max() > _ONE_PIXEL:
            raise InputError(
                "The volume does not lie on the slices of its DICOM files, so a DICOM SEG cannot refer to them; "
                "segment the volume as it was loaded from DICOM."
            )
        if not -0.5 <= place[2] <= shape[2] - 0.5:
            found.append(None)
            continue
        if abs(place[2] - nearest[2]) > _ASTRAY:
            raise InputError(
                "The volume's slices lie between those of its DICOM files, so a DICOM SEG cannot refer to them; "
                "segment the volume as it was loaded from DICOM."
            )
        found.append(tuple(int(value) for value in nearest))
    return found
