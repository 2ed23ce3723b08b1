"""Volume nodes as volumes, on 3D Slicer's own scene."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from vtk import VTK_SHORT, vtkImageData
from vtk.util.numpy_support import vtk_to_numpy

from SATSegmentLib.errors import InputError
from SATSegmentLib.mrml import node_modality, volume_of
from SATSegmentLib.mrml.geometry import to_array, to_vtk


def test_an_oblique_left_handed_anisotropic_volume_keeps_every_voxel_in_its_place(volume, oblique):
    found = volume_of(volume)
    array = slicer.util.arrayFromVolume(volume)
    assert found.shape == (20, 24, 16)
    np.testing.assert_array_equal(found.array, array.transpose(2, 1, 0))
    np.testing.assert_allclose(found.affine, oblique, atol=1e-12)
    np.testing.assert_allclose(found.spacing, (1.5, 2, 3))
    assert found.name == "CT chest"


def test_voxels_are_not_copied(volume):
    assert np.shares_memory(volume_of(volume).array, slicer.util.arrayFromVolume(volume))


def test_parent_transforms_are_hardened_as_slicer_hardens_them(volume, add_transform):
    outer = add_transform(name="Outer")
    inner = add_transform(np.diag([-1.0, 1.0, 1.0, 1.0]), "Inner", outer)
    volume.SetAndObserveTransformNodeID(inner.GetID())
    found = volume_of(volume).affine
    volume.HardenTransform()
    hardened = to_vtk(np.eye(4))
    volume.GetIJKToRASMatrix(hardened)
    np.testing.assert_allclose(found, to_array(hardened), atol=1e-9)
    np.testing.assert_allclose(volume_of(volume).affine, found, atol=1e-9)


def test_an_image_whose_indices_do_not_begin_at_zero_is_where_slicer_puts_it(volume):
    before = volume_of(volume)
    image = vtkImageData()
    image.SetExtent(5, 12, 7, 10, 2, 9)
    image.AllocateScalars(VTK_SHORT, 1)
    part = before.array[5:13, 7:11, 2:10]
    vtk_to_numpy(image.GetPointData().GetScalars())[:] = part.transpose(2, 1, 0).ravel()
    volume.SetAndObserveImageData(image)
    found = volume_of(volume)
    np.testing.assert_array_equal(found.array, part)
    np.testing.assert_allclose(found.affine @ [0, 0, 0, 1], before.affine @ [5, 7, 2, 1])


def test_the_volume_that_a_sequence_browser_shows_is_a_volume(scene, volume):
    logic = slicer.vtkSlicerSequencesLogic()
    logic.SetMRMLScene(scene)
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Perfusion")
    for time in "01":
        sequence.SetDataNodeAtValue(volume, time)
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    logic.UpdateProxyNodesFromSequences(browser)
    proxy = browser.GetProxyNode(sequence)
    np.testing.assert_array_equal(volume_of(proxy).array, volume_of(volume).array)
    with pytest.raises(InputError, match="Perfusion is a sequence"):
        volume_of(sequence)


def test_a_transform_that_is_not_linear_is_refused(volume, warp):
    volume.SetAndObserveTransformNodeID(warp.GetID())
    with pytest.raises(InputError, match=r"CT chest .*not linear \(Warp\).*Harden transform"):
        volume_of(volume)


def test_a_linear_transform_under_one_that_is_not_is_refused(volume, warp, add_transform):
    inner = add_transform(parent=warp)
    volume.SetAndObserveTransformNodeID(inner.GetID())
    with pytest.raises(InputError, match="not linear"):
        volume_of(volume)


def test_a_shearing_transform_is_refused(volume, add_transform):
    shear = np.eye(4)
    shear[0, 1] = 0.3
    volume.SetAndObserveTransformNodeID(add_transform(shear).GetID())
    with pytest.raises(InputError, match="sheared"):
        volume_of(volume)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("vtkMRMLLabelMapVolumeNode", "Thing is a label map"),
        ("vtkMRMLModelNode", "Thing is no volume"),
        ("vtkMRMLSegmentationNode", "Thing is no volume"),
        ("vtkMRMLScalarVolumeNode", "Thing holds no image"),
    ],
)
def test_other_nodes_are_refused(scene, kind, says):
    with pytest.raises(InputError, match=says):
        volume_of(scene.AddNewNodeByClass(kind, "Thing"))


def test_no_node_is_refused():
    with pytest.raises(InputError, match="No volume is chosen"):
        volume_of(None)


@pytest.mark.parametrize("kind", ["vtkMRMLVectorVolumeNode", "vtkMRMLScalarVolumeNode"])
def test_several_values_a_voxel_are_refused(scene, kind):
    node = scene.AddNewNodeByClass(kind, "Colours")
    image = vtkImageData()
    image.SetDimensions(4, 5, 6)
    image.AllocateScalars(VTK_SHORT, 3)
    node.SetAndObserveImageData(image)
    with pytest.raises(InputError, match="Colours holds several values a voxel"):
        volume_of(node)


def test_an_image_without_voxels_is_refused(volume):
    volume.SetAndObserveImageData(vtkImageData())
    with pytest.raises(InputError, match="holds no image"):
        volume_of(volume)


def test_a_single_slice_is_refused(add_volume):
    with pytest.raises(InputError, match="single slice"):
        volume_of(add_volume(shape=(20, 24, 1)))


def test_a_given_modality_wins(add_volume):
    assert volume_of(add_volume("CT"), "pet").modality == "pet"


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("CTChest", "ct"),
        ("CTACardio", "ct"),
        ("CTAAbdomenPanoramix", "ct"),
        ("3: CT Thorax 5mm", "ct"),
        ("MRHead", "mri"),
        ("MRBrainTumor1", "mri"),
        ("sub-01_T1w", "mri"),
        ("FLAIR", "mri"),
        ("ax t2 tse", "mri"),
        ("PET1", "pet"),
        ("patient_SUV", "pet"),
        ("US liver", "us"),
        ("PET-CT fused", None),  # says both
        ("Victor's thorax", None),
        ("Amrita", None),
        ("", None),
    ],
)
def test_names_tell_the_modality(add_volume, name, modality):
    assert node_modality(add_volume(name)) == modality


def test_hounsfield_units_tell_a_ct(add_volume):
    node = add_volume("Series 4")
    assert node_modality(node) is None
    slicer.util.arrayFromVolume(node)[3:] = -1000
    slicer.util.arrayFromVolumeModified(node)
    assert node_modality(node) == "ct"


@pytest.mark.parametrize(
    ("code", "scheme", "meaning", "modality"),
    [
        ("[hnsf'U]", "UCUM", "Hounsfield unit", "ct"),
        ("{SUVbw}g/ml", "UCUM", "Standardized Uptake Value body weight", "pet"),
        ("Bq/ml", "UCUM", "Becquerels/milliliter", "pet"),
        ("ms", "UCUM", "millisecond", None),
    ],
)
def test_units_of_voxels_tell_the_modality(add_volume, code, scheme, meaning, modality):
    node = add_volume("Series 4")
    unit = slicer.vtkCodedEntry()
    unit.SetValueSchemeMeaning(code, scheme, meaning)
    node.SetVoxelValueUnits(unit)
    assert node_modality(node) == modality


@pytest.mark.parametrize(("tag", "modality"), [("MR", "mri"), ("PT", "pet"), ("CT", "ct"), ("US", "us"), ("NM", "ct")])
def test_dicom_goes_before_the_name(scene, add_volume, tag, modality):
    node = add_volume("CT")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    hierarchy.SetItemAttribute(item, "DICOM.Modality", tag)
    assert node_modality(node) == modality


def test_nodes_that_are_no_volumes_have_no_modality(scene, segmentation):
    assert node_modality(None) is None
    assert node_modality(segmentation) is None
    assert node_modality(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")) is None
