"""The planes through a result that an overview shows, and their colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..imaging.mask import Mask
from ..imaging.volume import Volume

# Name, RAS axis across, and what lies left, right, above and below in radiological convention
_VIEWS = (("axial", 2, "RLAP"), ("coronal", 1, "RLSI"), ("sagittal", 0, "APSI"))
_SOFT_TISSUE = (-160.0, 240.0)  # Hounsfield units
_WITH_LUNG = (-1000.0, 400.0)
_MOSTLY_AIR = -300.0
_PERCENTILES = (1.0, 99.5)  # of what is brighter than the background, in other modalities
_FILL = 0.4
_OUTLINE = 2  # pixels


@dataclass(frozen=True, eq=False)
class Plane:
    """One slice as it is shown: rows from top to bottom, columns from left to right.

    Attributes:
        title: Which plane, and which slice of the volume, e.g. "axial, k = 17".
        sides: The letters of left, right, top and bottom.
        size: Width and height in millimetres.
        grey: Intensities.
        masks: The index and the pixels of each segment that the plane meets.
    """

    title: str
    sides: str
    size: tuple[float, float]
    grey: np.ndarray
    masks: list[tuple[int, np.ndarray]]


def choose_planes(volume: Volume, masks: list[Mask]) -> list[Plane]:
    """An axial, a coronal and a sagittal plane, each through as many of the masks as can be.

    Among slices through equally many masks the one with most voxels is taken, and the middle one where all
    masks are empty. Oblique volumes are shown along their own axes.
    """
    from nibabel.orientations import apply_orientation, io_orientation

    orientation = io_orientation(volume.affine)
    source_axes = np.argsort(orientation[:, 0])
    array = apply_orientation(volume.array, orientation)
    oriented = [_oriented(mask, orientation) for mask in masks]
    planes = []
    for name, axis, sides in _VIEWS:
        index = _richest_slice(oriented, axis, array.shape[axis])
        source = source_axes[axis]
        source_index = index if orientation[source, 1] > 0 else array.shape[axis] - 1 - index
        across, up = (other for other in range(3) if other != axis)
        planes.append(
            Plane(
                title=f"{name}, {'ijk'[source]} = {source_index}",
                sides=sides,
                size=tuple(array.shape[other] * volume.spacing[source_axes[other]] for other in (across, up)),
                grey=_as_shown(array.take(index, axis)),
                masks=[
                    (number, _as_shown(_cut(mask, axis, index)))
                    for number, mask in enumerate(oriented)
                    if _meets(mask, axis, index)
                ],
            )
        )
    return planes


def choose_window(modality: str, planes: list[Plane]) -> tuple[float, float]:
    """The intensities shown black and white."""
    if modality == "ct":
        inside = [plane.grey[mask] for plane in planes for _, mask in plane.masks]
        return _WITH_LUNG if inside and np.concatenate(inside).mean() < _MOSTLY_AIR else _SOFT_TISSUE
    values = np.concatenate([plane.grey.ravel() for plane in planes])
    body = values[values > values.min()]
    if not body.size:
        return float(values[0]), float(values[0]) + 1
    low, high = np.percentile(body, _PERCENTILES)
    return float(low), float(max(high, low + 1e-6))


def render(
    plane: Plane, width: int, height: int, window: tuple[float, float], colors: list[tuple[int, int, int]]
) -> np.ndarray:
    """The plane in colour: masks half-transparent, with opaque outlines, small ones above large ones.

    Args:
        plane: What to show.
        width: Pixels across.
        height: Pixels down.
        window: Intensities shown black and white.
        colors: Of all segments, 0 to 255.

    Returns:
        uint8, (height, width, 3).
    """
    low, high = window
    grey = _stretch(plane.grey.astype(np.float32), width, height)
    image = np.repeat(np.clip((grey - low) / (high - low), 0, 1)[..., None] * 255, 3, axis=2)
    masks = sorted(plane.masks, key=lambda item: -np.count_nonzero(item[1]))
    masks = [(np.array(colors[number], np.float32), _enlarge(mask, width, height)) for number, mask in masks]
    for color, mask in masks:
        image[mask] += (color - image[mask]) * _FILL
    for color, mask in masks:
        image[_outline(mask)] = color
    return np.round(image).astype(np.uint8)


def _oriented(mask: Mask, orientation: np.ndarray) -> Mask:
    """The mask with its axes as R, A, S."""
    from nibabel.orientations import apply_orientation

    shape, start = [0] * 3, [0] * 3
    for source, (axis, direction) in enumerate(orientation):
        n, first, length = mask.shape[source], mask.start[source], mask.block.shape[source]
        shape[int(axis)] = n
        start[int(axis)] = first if direction > 0 else n - first - length
    return Mask(tuple(shape), tuple(start), apply_orientation(mask.block, orientation))


def _richest_slice(masks: list[Mask], axis: int, slices: int) -> int:
    segments, voxels = np.zeros(slices, int), np.zeros(slices, int)
    for mask in masks:
        counts = mask.block.sum(tuple(other for other in range(3) if other != axis))
        segments[mask.slices[axis]] += counts > 0
        voxels[mask.slices[axis]] += counts
    if not segments.any():
        return slices // 2
    return int(np.where(segments == segments.max(), voxels, -1).argmax())


def _meets(mask: Mask, axis: int, index: int) -> bool:
    inside = index - mask.start[axis]
    return 0 <= inside < mask.block.shape[axis] and bool(mask.block.take(inside, axis).any())


def _cut(mask: Mask, axis: int, index: int) -> np.ndarray:
    others = [other for other in range(3) if other != axis]
    plane = np.zeros([mask.shape[other] for other in others], bool)
    plane[tuple(mask.slices[other] for other in others)] = mask.block.take(index - mask.start[axis], axis)
    return plane


def _as_shown(plane: np.ndarray) -> np.ndarray:
    """Both RAS axes run left and up on the screen: right and anterior lie left, superior and anterior above."""
    return plane.T[::-1, ::-1]


def _positions(pixels: int, voxels: int) -> np.ndarray:
    """Where pixel centres lie, in voxels whose centres are 0, 1, ..."""
    return np.clip((np.arange(pixels) + 0.5) * voxels / pixels - 0.5, 0, voxels - 1)


def _stretch(plane: np.ndarray, width: int, height: int) -> np.ndarray:
    """`plane` at the pixels of an image, linear."""
    for axis, pixels in enumerate((height, width)):
        positions = _positions(pixels, plane.shape[axis])
        lower = np.floor(positions).astype(int)
        upper = np.minimum(lower + 1, plane.shape[axis] - 1)
        fraction = (positions - lower).astype(np.float32).reshape((-1, 1) if axis == 0 else (1, -1))
        plane = plane.take(lower, axis) * (1 - fraction) + plane.take(upper, axis) * fraction
    return plane


def _enlarge(mask: np.ndarray, width: int, height: int) -> np.ndarray:
    """`mask` at the pixels of an image, nearest."""
    rows, columns = (np.round(_positions(n, m)).astype(int) for n, m in zip((height, width), mask.shape, strict=True))
    return mask[np.ix_(rows, columns)]


def _outline(mask: np.ndarray) -> np.ndarray:
    """The mask's outermost pixels."""
    inner = mask
    for _ in range(_OUTLINE):
        padded = np.pad(inner, 1)
        inner = inner & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner
