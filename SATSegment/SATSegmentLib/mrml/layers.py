"""Segments in the shared label maps ("layers") of a segmentation, written voxel by voxel in place.

3D Slicer keeps segments that do not overlap in one vtkOrientedImageData, told apart by label values. Its own ways to
add a segment copy, threshold or resample whole images, once a segment or once a layer; here only the voxels of the
segment are touched. Layers are as large as the segments in them, and are replaced by larger ones when one comes to
lie outside.

A layer in use is never told to be modified: 3D Slicer would then throw away every segment's surface. Who changes
voxels says so by the segmentation's own events, as the Segment Editor does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import slicer
from vtk import vtkCollection
from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

from ..imaging import Mask
from ..imaging.mask import bounding_box
from .geometry import to_array, to_vtk

LABELMAP = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
_VOXELS_AT_ONCE = 1 << 20  # what is compared before looking whether that settles it
_NOTHING = (0, -1) * 3  # an extent
_SAME_PLACE = 0.05  # voxels; geometries are kept as text
_TYPES = (np.uint8, np.uint16, np.uint32)


@dataclass(frozen=True, eq=False)
class Stencil:
    """The voxels of a segment, as layers take them.

    Attributes:
        matrix: 4x4, indices (i, j, k) to the segmentation's coordinates.
        start: The block's first index (i, j, k).
        block: bool, axes (K, J, I), C order; of shape (0, 0, 0) for an empty segment.
    """

    matrix: np.ndarray
    start: tuple[int, int, int]
    block: np.ndarray

    @classmethod
    def of(cls, mask: Mask, matrix: np.ndarray, first: tuple[int, int, int]) -> Stencil:
        """A mask whose voxel (0, 0, 0) has the index `first`."""
        start = tuple(a + b for a, b in zip(mask.start, first, strict=True))
        block = np.empty(mask.block.shape[::-1], bool)
        for j in range(block.shape[1]):  # plane by plane it stays in the processor's cache: three times as fast
            block[:, j] = mask.block[:, j].T
        return cls(matrix, start, block)

    @property
    def extent(self) -> tuple[int, ...]:
        """VTK's: first and last index along I, J, K; the last below the first where there is none."""
        return tuple(n for a, size in zip(self.start, self.block.shape[::-1], strict=True) for n in (a, a + size - 1))


def new_layer(matrix: np.ndarray, extent: tuple[int, ...] = _NOTHING, dtype: type = np.uint8):
    """An image of zeros that belongs to no segment yet."""
    image = slicer.vtkOrientedImageData()
    image.SetGeometryFromImageToWorldMatrix(to_vtk(matrix))
    if _is_empty(extent):
        image.SetExtent(*_NOTHING)
        return image
    image.SetExtent(*extent)
    image.AllocateScalars(get_vtk_array_type(dtype), 1)
    _voxels(image).fill(0)
    return image


def same_lattice(image, matrix: np.ndarray, shape: tuple[int, int, int]) -> bool:
    """Whether all voxels of a grid are voxels of an image's grid, wherever that ends, its axes flipped or swapped.

    Slicer flips left-handed volumes when it reads them from a file.
    """
    indices = np.linalg.inv(to_array(_matrix(image))) @ matrix
    whole = np.round(indices)
    corners = np.array([[*corner, 1] for corner in np.ndindex(2, 2, 2)]) * [*shape, 1]
    distance = np.abs(corners @ (indices - whole).T).max()
    return bool(distance < _SAME_PLACE and np.isclose(abs(np.linalg.det(whole)), 1))


def place(segmentation, stencil: Stencil, segment=None) -> tuple[object, int]:
    """Writes voxels into the first layer on their grid where they are free, or into a new one.

    Args:
        segmentation: The vtkSegmentation.
        stencil: What to write.
        segment: Whose voxels they are, where it has a layer already, out of which its voxels were taken. It is the
            first to be tried, and its label value is kept there.

    Returns:
        (layer, label): The image and the label value to give to the segment.
    """
    probe = new_layer(stencil.matrix)
    own = segment.GetRepresentation(LABELMAP) if segment else None
    others = [layer for layer in _layers(segmentation) if layer is not own]
    for layer in [own, *others] if own else others:
        if _same_grid(layer, probe) and _holds_integers(layer) and _is_free(layer, stencil):
            label = segment.GetLabelValue() if layer is own else _free_label(segmentation, layer)
            layer = _with_room(segmentation, layer, stencil.extent, label)
            break
    else:
        layer, label = new_layer(stencil.matrix, stencil.extent), 1
    for voxels, block in _overlap(layer, stencil):
        np.copyto(voxels, label, where=block, casting="unsafe")
    _touch(layer)
    return layer, label


def take_out(segment) -> Stencil:
    """Clears the voxels of a segment in its layer and returns them; the segment keeps its layer and its label."""
    layer = segment.GetRepresentation(LABELMAP)
    stencil = _voxels_of(layer, segment.GetLabelValue())
    for voxels, block in _overlap(layer, stencil):
        np.copyto(voxels, 0, where=block)
    _touch(layer)
    return stencil


def counts(segmentation) -> dict[str, int]:
    """Voxels of all segments by their ids; one pass through each layer."""
    found = {}
    for layer in _layers(segmentation):
        ids = segmentation.GetSegmentIDsForDataObject(layer, LABELMAP)
        labels = [segmentation.GetSegment(segment_id).GetLabelValue() for segment_id in ids]
        voxels = np.zeros(max(labels) + 1, np.int64)
        for part in _voxels(layer):
            inside = part[(part > 0) & (part < len(voxels))]
            voxels += np.bincount(inside.astype(np.intp), minlength=len(voxels))
        found |= {segment_id: int(voxels[label]) for segment_id, label in zip(ids, labels, strict=True)}
    return found


def voxels_of(segment) -> Stencil:
    """The voxels of a segment, as they are now."""
    return _voxels_of(segment.GetRepresentation(LABELMAP), segment.GetLabelValue())


def remove(segmentation, segment_ids: list[str]) -> None:
    """Removes segments; one pass through each layer, where vtkSegmentation alone takes two for each segment."""
    segments = [segmentation.GetSegment(segment_id) for segment_id in segment_ids]
    for layer in _layers(segmentation):
        labels = [segment.GetLabelValue() for segment in segments if segment.GetRepresentation(LABELMAP) is layer]
        if labels and layer.GetPointData().GetScalars():
            _clear(_voxels(layer), labels)
            _touch(layer)
    for segment_id, segment in zip(segment_ids, segments, strict=True):
        matrix = to_array(_matrix(segment.GetRepresentation(LABELMAP)))
        segment.AddRepresentation(LABELMAP, new_layer(matrix))
        segmentation.RemoveSegment(segment_id)


def _layers(segmentation) -> list:
    found = vtkCollection()
    segmentation.GetLayerObjects(found, LABELMAP)
    return [found.GetItemAsObject(index) for index in range(found.GetNumberOfItems())]


def _matrix(layer):
    matrix = to_vtk(np.eye(4))
    layer.GetImageToWorldMatrix(matrix)
    return matrix


def _same_grid(layer, other) -> bool:
    return slicer.vtkOrientedImageDataResample.DoGeometriesMatch(layer, other)


def _holds_integers(layer) -> bool:
    scalars = layer.GetPointData().GetScalars()
    return _is_empty(layer.GetExtent()) if scalars is None else vtk_to_numpy(scalars).dtype.kind in "iu"


def _is_empty(extent: tuple[int, ...]) -> bool:
    return any(last < first for first, last in zip(extent[::2], extent[1::2], strict=True))


def _voxels(layer) -> np.ndarray:
    """A view of a layer's voxels, axes (K, J, I); without any where the layer is empty."""
    scalars = layer.GetPointData().GetScalars()
    if scalars is None or _is_empty(layer.GetExtent()):
        return np.zeros((0, 0, 0), np.uint8)
    return vtk_to_numpy(scalars).reshape(layer.GetDimensions()[::-1])


def _touch(layer) -> None:
    """Tells the pipelines that read the layer's voxels, and nobody else, that they changed."""
    if layer.GetPointData().GetScalars():
        layer.GetPointData().GetScalars().Modified()


def _overlap(layer, stencil: Stencil) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Where a stencil lies on a layer: (the layer's voxels, the stencil's), views, some slices at a time."""
    here, there = [], []
    extents = layer.GetExtent(), stencil.extent
    for axis in (2, 1, 0):
        first, last = (pair(extent[2 * axis + end] for extent in extents) for end, pair in enumerate((max, min)))
        if last < first:
            return
        for slices, extent in zip((here, there), extents, strict=True):
            slices.append(slice(first - extent[2 * axis], last - extent[2 * axis] + 1))
    voxels, block = _voxels(layer)[tuple(here)], stencil.block[tuple(there)]
    step = max(1, _VOXELS_AT_ONCE // block[0].size)
    for k in range(0, len(block), step):
        yield voxels[k : k + step], block[k : k + step]


def _is_free(layer, stencil: Stencil) -> bool:
    return not any(np.logical_and(voxels, block).any() for voxels, block in _overlap(layer, stencil))


def _free_label(segmentation, layer) -> int:
    """A label value above all that segments or voxels of a layer have."""
    voxels = _voxels(layer)
    labels = [
        segmentation.GetSegment(i).GetLabelValue() for i in segmentation.GetSegmentIDsForDataObject(layer, LABELMAP)
    ]
    return 1 + max(0, int(voxels.max(initial=0)), *labels)


def _with_room(segmentation, layer, extent: tuple[int, ...], label: int):
    """The layer, or one that took its place since it is too small for an extent or a label value."""
    old = layer.GetExtent()
    if _is_empty(old):
        union = extent
    elif _is_empty(extent):
        union = old
    else:
        union = tuple(max(pair) if index % 2 else min(pair) for index, pair in enumerate(zip(old, extent, strict=True)))
    voxels = _voxels(layer)
    fits = label <= np.iinfo(voxels.dtype).max
    if union == tuple(old) and fits:
        return layer
    dtype = voxels.dtype.type if fits else next(kind for kind in _TYPES if label <= np.iinfo(kind).max)
    larger = new_layer(to_array(_matrix(layer)), union, dtype)
    if voxels.size:
        start = [old[2 * axis] - union[2 * axis] for axis in (2, 1, 0)]
        _voxels(larger)[tuple(slice(a, a + n) for a, n in zip(start, voxels.shape, strict=True))] = voxels
    for segment_id in segmentation.GetSegmentIDsForDataObject(layer, LABELMAP):
        segmentation.GetSegment(segment_id).AddRepresentation(LABELMAP, larger)
    return larger


def _voxels_of(layer, label: int) -> Stencil:
    voxels = _voxels(layer)
    matrix = to_array(_matrix(layer))
    slices = [k for k, part in enumerate(voxels) if (part == label).any()]
    if not slices:
        return Stencil(matrix, (0, 0, 0), np.zeros((0, 0, 0), bool))
    block = voxels[slices[0] : slices[-1] + 1] == label
    (_, j, i), (stop_k, stop_j, stop_i) = bounding_box(block)
    first = layer.GetExtent()[::2]
    start = (first[0] + i, first[1] + j, first[2] + slices[0])
    return Stencil(matrix, start, np.ascontiguousarray(block[:stop_k, j:stop_j, i:stop_i]))


def _clear(voxels: np.ndarray, labels: list[int]) -> None:
    for part in voxels:
        part[np.isin(part, labels)] = 0
