"""What is in a segmentation, read with 3D Slicer's own code."""

from __future__ import annotations

import numpy as np
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from SATSegmentLib.imaging import Mask
from SATSegmentLib.mrml.geometry import to_array, to_vtk

SHAPE = (20, 24, 16)  # of the volumes that fixtures add


def box(start, stop, shape=SHAPE) -> Mask:
    """A mask that is true from `start` up to `stop`."""
    array = np.zeros(shape, bool)
    array[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = True
    return Mask.of(array)


def places(node, segment_id) -> np.ndarray:
    """The world's RAS positions of a segment's voxels, as 3D Slicer itself gives them, sorted; (voxels, 3)."""
    image = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment_id, image)
    scalars = image.GetPointData().GetScalars()
    if scalars is None or not scalars.GetNumberOfTuples():
        return np.zeros((0, 3))
    array = vtk_to_numpy(scalars).reshape(image.GetDimensions()[::-1]) > 0
    index = np.argwhere(array)[:, ::-1] + np.array(image.GetExtent()[::2])
    matrix = to_vtk(np.eye(4))
    image.GetImageToWorldMatrix(matrix)
    return _sorted(_world(node) @ to_array(matrix), index)


def expected_places(volume_node, mask: Mask) -> np.ndarray:
    """The world's RAS positions of a mask's voxels, sorted; (voxels, 3)."""
    matrix = to_vtk(np.eye(4))
    volume_node.GetIJKToRASMatrix(matrix)
    return _sorted(_world(volume_node) @ to_array(matrix), np.argwhere(mask.array))


def assert_holds(node, segment_id, volume_node, mask: Mask) -> None:
    """A segment's voxels are the mask's, each in its place in the world."""
    np.testing.assert_allclose(places(node, segment_id), expected_places(volume_node, mask), atol=1e-3)


def _world(node) -> np.ndarray:
    matrix = to_vtk(np.eye(4))
    if node.GetParentTransformNode():
        node.GetParentTransformNode().GetMatrixTransformToWorld(matrix)
    return to_array(matrix)


def _sorted(affine, index) -> np.ndarray:
    points = index @ affine[:3, :3].T + affine[:3, 3]
    return points[np.lexsort(np.round(points, 2).T)]
