"""Regions of interest, on 3D Slicer's own scene."""

from __future__ import annotations

import numpy as np
import pytest

from SATSegmentLib.errors import InputError
from SATSegmentLib.mrml import new_roi, roi_box, volume_of
from SATSegmentLib.mrml.geometry import to_array, to_vtk


@pytest.fixture
def roi(scene):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Region")
    node.SetCenterWorld(10, -20, 30)
    node.SetSizeWorld(8, 6, 4)
    return node


def _corners(roi):
    """World positions of the region's eight corners, as its own matrix tells them."""
    corners = (np.array(list(np.ndindex(2, 2, 2))) - 0.5) * roi.GetSize()
    matrix = to_array(roi.GetObjectToWorldMatrix())
    return corners @ matrix[:3, :3].T + matrix[:3, 3]


def test_a_straight_region_is_its_box(roi):
    np.testing.assert_allclose(roi_box(roi), [6, -23, 28, 14, -17, 32])


def test_of_a_turned_region_it_is_the_box_that_holds_it(roi, add_transform):
    turned = to_array(add_transform().GetMatrixTransformToParent())
    roi.SetAndObserveObjectToNodeMatrix(to_vtk(turned))
    corners = _corners(roi)
    assert not np.allclose(np.sort(np.abs(corners - corners.mean(0)), 0)[0], np.array([4, 3, 2]))
    np.testing.assert_allclose(roi_box(roi), [*corners.min(0), *corners.max(0)], atol=1e-6)


def test_a_parent_transform_moves_it(roi, add_transform):
    roi.SetAndObserveTransformNodeID(add_transform().GetID())
    corners = _corners(roi)
    np.testing.assert_allclose(roi_box(roi), [*corners.min(0), *corners.max(0)], atol=1e-6)
    assert not np.allclose(roi_box(roi)[:3], [6, -23, 28])


def test_what_was_not_placed_or_has_no_volume_is_refused(scene, roi):
    with pytest.raises(InputError, match="Untouched is empty"):
        roi_box(scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Untouched"))
    roi.SetSizeWorld(8, 0, 4)
    with pytest.raises(InputError, match="Region is empty"):
        roi_box(roi)


def test_what_is_no_region_is_refused(volume):
    for node in (None, volume):
        with pytest.raises(InputError, match="No region is chosen"):
            roi_box(node)


def test_a_new_region_lies_on_the_middle_half_of_the_volume(scene, add_volume):
    volume = add_volume(affine=np.diag([-2.0, 1.0, 3.0, 1.0]))  # 20 x 24 x 16 voxels
    region = new_roi(scene, volume)
    np.testing.assert_allclose(roi_box(region), [-29, 5.5, 10.5, -9, 17.5, 34.5])
    assert region.GetDisplayNode() is not None
    assert region.GetName() == "Region"


def test_a_new_region_on_an_oblique_moved_volume_is_around_its_middle(scene, volume, add_transform):
    volume.SetAndObserveTransformNodeID(add_transform().GetID())
    middle = volume_of(volume).affine @ [9.5, 11.5, 7.5, 1]
    bounds = np.array(roi_box(new_roi(scene, volume))).reshape(2, 3)
    np.testing.assert_allclose(bounds.mean(0), middle[:3], atol=1e-6)
    whole = [0.0] * 6
    volume.GetRASBounds(whole)
    np.testing.assert_allclose(bounds[1] - bounds[0], (np.array(whole[1::2]) - whole[::2]) / 2, atol=1e-6)


def test_new_regions_have_names_of_their_own(scene, volume):
    assert len({new_roi(scene, volume).GetName() for _ in range(3)}) == 3


def test_a_region_needs_a_volume_with_an_image(scene):
    for node in (None, scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")):
        with pytest.raises(InputError, match="choose the volume first"):
            new_roi(scene, node)
