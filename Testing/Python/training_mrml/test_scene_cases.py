"""Volumes and segmentations of a scene as cases: arrays, files, and back."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import slicer
from Testing.Python.mrml.reading import SHAPE, box, places

from SATSegmentLib.anatomy import coded_entry
from SATSegmentLib.errors import InputError, SATError
from SATSegmentLib.imaging import Volume
from SATSegmentLib.mrml import SegmentWriter
from SATSegmentLib.mrml.geometry import to_vtk
from SATTrainingLib.cases import read_cases, write_cases
from SATTrainingLib.cases.masks import read_layers
from SATTrainingLib.mrml import scene_cases
from SATTrainingLib.mrml.case_files import free_id, write_case

LOW, HIGH, BOTH = box((2, 3, 4), (6, 9, 10)), box((12, 10, 2), (18, 20, 5)), box((2, 3, 2), (18, 20, 10))


@pytest.fixture
def filled(volume, segmentation):
    """Two boxes beside each other and one that overlaps both."""
    writer = SegmentWriter(segmentation, volume)
    for name, mask in (("liver", LOW), ("spleen", HIGH), ("abdomen", BOTH)):
        writer.put(name, coded_entry(name), mask)
    return segmentation


def masks(case):
    return {label.name: case.layers[..., label.layer] == label.value for label in case.labels}


def test_overlapping_segments_keep_their_voxels_in_layers(volume, filled):
    case = scene_cases.read(volume, filled)
    assert case.layers.shape == (*SHAPE, 2)
    found = masks(case)
    for name, mask in (("liver", LOW), ("spleen", HIGH), ("abdomen", BOTH)):
        np.testing.assert_array_equal(found[name], mask.array)


def test_it_is_a_copy_that_the_scene_no_longer_changes(volume, filled):
    case = scene_cases.read(volume, filled)
    before = case.volume.array.copy(), case.layers.copy()
    slicer.util.arrayFromVolume(volume)[:] = -1
    filled.GetSegmentation().RemoveAllSegments()
    np.testing.assert_array_equal(case.volume.array, before[0])
    np.testing.assert_array_equal(case.layers, before[1])


def test_a_segmentation_on_another_grid_is_sampled_where_it_lies(scene, add_volume, segmentation):
    """The same place in the world: a segmentation drawn on a grid of its own, under a transform of its own."""
    drawn_on = add_volume("fine", np.diag([1.0, 1, 1, 1]), (40, 40, 40))
    writer = SegmentWriter(segmentation, drawn_on)
    writer.put("liver", coded_entry("liver"), box((10, 12, 14), (30, 32, 34), (40, 40, 40)))
    moved = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    shift = np.eye(4)
    shift[:3, 3] = (-7, 5, 3)
    moved.SetMatrixTransformToParent(to_vtk(shift))
    segmentation.SetAndObserveTransformNodeID(moved.GetID())
    coarse = np.diag([-2.0, -2, 2, 1])
    coarse[:3, 3] = (40, 50, -5)
    volume = add_volume("coarse", coarse, (30, 30, 25))
    case = scene_cases.read(volume, segmentation)
    index = np.argwhere(case.layers[..., 0] > 0)
    found = index @ coarse[:3, :3].T + coarse[:3, 3]
    # voxel centres of the coarse grid within the box, which ends half a voxel beyond its outer centres
    assert found.min(0) == pytest.approx(np.array([10, 12, 14]) - 0.5 + shift[:3, 3], abs=2)
    assert found.max(0) == pytest.approx(np.array([29, 31, 33]) + 0.5 + shift[:3, 3], abs=2)
    assert len(index) == pytest.approx(20**3 / 8, rel=0.01)


def test_transforms_of_the_volume_are_in_the_affine_and_move_the_mask_with_it(scene, volume, filled, add_transform):
    transform = add_transform()
    for node in (volume, filled):
        node.SetAndObserveTransformNodeID(transform.GetID())
    case = scene_cases.read(volume, filled)
    np.testing.assert_array_equal(masks(case)["liver"], LOW.array)
    identity = filled.GetSegmentation().GetSegmentIDs()[0]
    index = np.argwhere(masks(case)["liver"])
    points = index @ case.volume.affine[:3, :3].T + case.volume.affine[:3, 3]
    np.testing.assert_allclose(points[np.lexsort(np.round(points, 2).T)], places(filled, identity), atol=1e-3)


def test_a_warp_is_refused_with_what_to_do(volume, filled, warp):
    filled.SetAndObserveTransformNodeID(warp.GetID())
    with pytest.raises(InputError, match="Harden"):
        scene_cases.read(volume, filled)


def test_surfaces_are_made_into_voxels_of_the_volume(scene, add_volume, segmentation):
    volume = add_volume("CT", np.diag([1.0, 1, 1, 1]), (40, 40, 40))
    writer = SegmentWriter(segmentation, volume)
    ball = np.linalg.norm(np.indices((40, 40, 40)) - 20, axis=0) < 12
    from SATSegmentLib.imaging import Mask

    writer.put("liver", coded_entry("liver"), Mask.of(ball))
    segmentation.CreateClosedSurfaceRepresentation()
    segmentation.GetSegmentation().SetSourceRepresentationName("Closed surface")
    segmentation.GetSegmentation().RemoveRepresentation("Binary labelmap")
    case = scene_cases.read(volume, segmentation)
    found = masks(case)["liver"]
    assert 2 * (found & ball).sum() / (found.sum() + ball.sum()) > 0.95
    assert not segmentation.GetSegmentation().ContainsRepresentation("Binary labelmap")  # it was a copy


def test_an_empty_segmentation_and_none_are_refused(volume, segmentation):
    with pytest.raises(InputError, match="has no segments"):
        scene_cases.read(volume, segmentation)
    with pytest.raises(InputError, match="has no segments"):
        scene_cases.read(volume, None)
    with pytest.raises(InputError, match="load one"):
        segmentation.GetSegmentation().AddEmptySegment("x", "x")
        scene_cases.read(None, segmentation)


def test_an_annotated_segment_without_voxels_stays_a_label(volume, filled):
    filled.GetSegmentation().AddEmptySegment("empty", "gallbladder")
    case = scene_cases.read(volume, filled)
    assert not masks(case)["gallbladder"].any()


def test_labels_carry_the_codes_that_segments_have(volume, segmentation):
    writer = SegmentWriter(segmentation, volume)
    writer.put("links", coded_entry("left kidney"), LOW)
    segmentation.GetSegmentation().AddEmptySegment("plain", "plain")
    codes = {label.name: label.code for label in scene_cases.labels_of(segmentation)}
    assert codes == {"links": "SCT^64033007~SCT^7771000", "plain": ""}


def test_pairs_are_found_by_the_reference_volume(scene, volume, filled):
    scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "of nothing").GetSegmentation().AddEmptySegment("x", "x")
    assert scene_cases.pairs(scene) == [(volume, filled)]


def test_what_is_only_shown_is_no_pair(scene, volume, filled):
    filled.SetSaveWithScene(False)
    assert scene_cases.pairs(scene) == []


def test_a_change_of_either_is_seen(volume, filled):
    states = [scene_cases.state_of(volume, filled)]
    assert scene_cases.state_of(volume, filled) == states[0]
    slicer.util.arrayFromVolume(volume)[0, 0, 0] += 1
    slicer.util.arrayFromVolumeModified(volume)
    states.append(scene_cases.state_of(volume, filled))
    SegmentWriter(filled, volume).put("more", coded_entry("liver"), box((0, 0, 0), (2, 2, 2)))
    states.append(scene_cases.state_of(volume, filled))
    filled.GetSegmentation().GetNthSegment(0).SetName("renamed")
    states.append(scene_cases.state_of(volume, filled))
    assert len(set(states)) == 4


def test_files_hold_the_case_exactly(volume, filled, tmp_path):
    read = scene_cases.read(volume, filled, "mri")
    case = write_case(read, tmp_path / "new folder", "one", "mine", "p1")
    again = Volume.read(case.image, case.modality)
    np.testing.assert_array_equal(again.array, read.volume.array)
    np.testing.assert_allclose(again.affine, read.volume.affine, atol=1e-4)
    layers, _ = read_layers(case)
    np.testing.assert_array_equal(layers, read.layers)
    assert (case.modality, case.dataset, case.patient) == ("mri", "mine", "p1")
    write_cases(tmp_path / "cases.jsonl", [case])
    assert read_cases(tmp_path / "cases.jsonl") == [case]
    assert not list((tmp_path / "new folder").glob(".*"))


def test_a_segmentation_without_overlap_is_a_plain_label_map(volume, segmentation, tmp_path):
    SegmentWriter(segmentation, volume).put("liver", coded_entry("liver"), LOW)
    case = write_case(scene_cases.read(volume, segmentation), tmp_path, "one", "mine")
    assert nibabel.load(case.mask).shape == SHAPE


def test_names_become_ids_that_are_new_in_list_and_folder(tmp_path):
    assert free_id("CT Thorax: Müller/2", (), tmp_path) == "CT_Thorax_Muller_2"
    assert free_id("肺", (), tmp_path) == "case"
    (tmp_path / "a_mask.nii.gz").touch()
    assert free_id("a", ("a_2",), tmp_path) == "a_3"


def test_a_folder_that_cannot_be_made_is_a_sentence(volume, filled, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SATError, match="choose another one"):
        write_case(scene_cases.read(volume, filled), tmp_path / "file", "one", "mine")


def test_volumes_of_a_dicom_patient_share_a_name_that_says_nothing(scene, add_volume):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    constants = slicer.vtkMRMLSubjectHierarchyConstants
    root = hierarchy.GetSceneItemID()

    def scan(name, patient_id):
        patient = hierarchy.CreateSubjectItem(root, "Doe^Jane")
        hierarchy.SetItemAttribute(patient, constants.GetDICOMPatientIDAttributeName(), patient_id)
        node = add_volume(name)
        hierarchy.CreateItem(hierarchy.CreateStudyItem(patient, "study"), node)
        return scene_cases.patient_of(node)

    first, second, other = scan("a", "4711"), scan("b", "4711"), scan("c", "4712")
    assert first == second != other
    assert first and "4711" not in first
    assert scene_cases.patient_of(add_volume("loose")) == ""
