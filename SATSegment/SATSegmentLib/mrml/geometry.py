"""Where a node's voxels lie, in its own coordinates and in the world's."""

from __future__ import annotations

import numpy as np
import slicer
from vtk import vtkMatrix4x4

from ..errors import InputError
from .translation import tr as _


def ijk_to_node(volume_node) -> np.ndarray:
    """4x4, from indices of a volume node's image to RAS millimetres before its parent transforms."""
    matrix = vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    return to_array(matrix)


def first_voxel(volume_node) -> tuple[int, int, int]:
    """The image's first index (i, j, k); (0, 0, 0) but for images that were cut out of others."""
    return tuple(volume_node.GetImageData().GetExtent()[::2])


def node_to_world(node) -> np.ndarray:
    """4x4, all parent transforms of a node in one.

    Raises:
        InputError: One of them is not linear.
    """
    transform_node = node.GetParentTransformNode()
    if transform_node is None:
        return np.eye(4)
    if not transform_node.IsTransformToWorldLinear():
        raise InputError(
            _(
                "{name} is under a transform that is not linear ({transform}). Harden that transform on it "
                "first: right-click it in the Data module and choose Harden transform."
            ).format(name=node.GetName(), transform=transform_node.GetName())
        )
    matrix = vtkMatrix4x4()
    transform_node.GetMatrixTransformToWorld(matrix)
    return to_array(matrix)


def to_array(matrix: vtkMatrix4x4) -> np.ndarray:
    """A VTK matrix as an array of float64."""
    return slicer.util.arrayFromVTKMatrix(matrix)


def to_vtk(array: np.ndarray) -> vtkMatrix4x4:
    """A 4x4 array as a VTK matrix."""
    matrix = vtkMatrix4x4()
    slicer.util.updateVTKMatrixFromArray(matrix, array)
    return matrix
