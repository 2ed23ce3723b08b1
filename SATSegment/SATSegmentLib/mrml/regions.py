"""Regions of interest."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .geometry import first_voxel, ijk_to_node, node_to_world
from .translation import tr as _


def roi_box(node) -> list[float]:
    """The box [R0, A0, S0, R1, A1, S1] in RAS millimetres that holds a vtkMRMLMarkupsROINode, turned or not.

    Raises:
        InputError: There is no region, or it was not placed yet.
    """
    if node is None or not node.IsA("vtkMRMLMarkupsROINode"):
        raise InputError(_("No region is chosen; choose one, make one, or segment the whole volume."))
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    lower, upper = bounds[::2], bounds[1::2]
    if not all(high > low for low, high in zip(lower, upper, strict=True)):
        raise InputError(
            _("{name} is empty; draw it in the slice views, or segment the whole volume.").format(name=node.GetName())
        )
    return [*lower, *upper]


def new_roi(scene, volume_node, name: str = "Region"):
    """A vtkMRMLMarkupsROINode on the middle half of a volume, shown in the views.

    Raises:
        InputError: The volume has no image, or is under a transform that is not linear.
    """
    if volume_node is None or volume_node.GetImageData() is None:
        raise InputError(_("A region is placed on a volume; choose the volume first."))
    affine = node_to_world(volume_node) @ ijk_to_node(volume_node)
    first = np.array(first_voxel(volume_node)) - 0.5
    size = np.array(volume_node.GetImageData().GetDimensions())
    corners = np.array([first + size * np.array(corner) for corner in np.ndindex(2, 2, 2)])
    corners = corners @ affine[:3, :3].T + affine[:3, 3]
    lower, upper = corners.min(0), corners.max(0)
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", scene.GenerateUniqueName(name))
    roi.CreateDefaultDisplayNodes()
    roi.SetCenterWorld(*(lower + upper) / 2)
    roi.SetSizeWorld(*(upper - lower) / 2)
    return roi
