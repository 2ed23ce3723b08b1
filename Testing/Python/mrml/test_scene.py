"""Scenes written to disk and read again by 3D Slicer's own code."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from Testing.Python.mrml.reading import SHAPE, assert_holds, box, places

from SATSegmentLib.anatomy import coded_entry, terminology_string
from SATSegmentLib.mrml import Outline, SegmentWriter
from SATSegmentLib.mrml.segments import CONFIDENCE_TAG, MODEL_TAG, TERM_TAG

TERMS = ["liver", "left lung", "lung", "something: unheard | of", "nothing"]
MASKS = [
    box((2, 3, 4), (6, 9, 10)),
    box((12, 10, 2), (18, 20, 5)),
    box((2, 3, 2), (18, 20, 10)),  # over both
    box((0, 0, 0), (2, 2, 2)),
    box((0, 0, 0), (0, 0, 0)),
]


@pytest.fixture
def written(scene, volume, segmentation, add_transform):
    """A volume under a study and a transform, and its segments: the writer and their ids."""
    volume.SetAndObserveTransformNodeID(add_transform().GetID())
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
    hierarchy.CreateItem(study, volume)
    volume.CreateDefaultDisplayNodes()
    writer = SegmentWriter(segmentation, volume)
    tags = {MODEL_TAG: "sat-tiny", CONFIDENCE_TAG: 0.5}
    return writer, [writer.put(term, coded_entry(term), mask, tags) for term, mask in zip(TERMS, MASKS, strict=True)]


def _mrb(scene, folder):
    path = str(folder / "scene.mrb")
    assert scene.WriteToMRB(path)

    def read(into):
        cache = slicer.vtkCacheManager()  # the application has one
        cache.SetRemoteCacheDirectory(str(folder))
        manager = slicer.vtkDataIOManager()
        manager.SetCacheManager(cache)
        into.SetDataIOManager(manager)
        assert into.ReadFromMRB(path)

    return read


def _files(scene, folder):
    for node in scene.GetNodesByClass("vtkMRMLStorableNode"):
        if node.GetSaveWithScene() and node.GetScene() is scene and not node.GetHideFromEditors():
            node.AddDefaultStorageNode()
            storage = node.GetStorageNode()
            if storage:
                suffix = (
                    ".seg.nrrd" if node.IsA("vtkMRMLSegmentationNode") else f".{storage.GetDefaultWriteFileExtension()}"
                )
                storage.SetFileName(str(folder / f"{node.GetID()}{suffix}"))
                assert storage.WriteData(node)
    scene.SetRootDirectory(str(folder))
    scene.SetURL(str(folder / "scene.mrml"))
    assert scene.Commit()

    def read(into):
        into.SetURL(str(folder / "scene.mrml"))
        assert into.Connect()

    return read


@pytest.fixture(params=[_mrb, _files])
def reloaded(request, tmp_path):
    """Writes a scene and reads it into another one."""

    def reload(scene):
        read = request.param(scene, tmp_path)
        other = slicer.vtkMRMLScene()
        logic = slicer.vtkSlicerSegmentationsModuleLogic()
        logic.SetMRMLScene(other)
        read(other)
        return other

    return reload


def test_a_saved_scene_gives_the_same_segments_again(scene, written, segmentation, volume, reloaded):
    _, ids = written
    before = [places(segmentation, segment_id) for segment_id in ids]
    other = reloaded(scene)
    assert other.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1
    node = other.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    found = node.GetSegmentation()
    assert list(found.GetSegmentIDs()) == ids
    for segment_id, term, expected in zip(ids, TERMS, before, strict=True):
        segment = found.GetSegment(segment_id)
        entry = coded_entry(term)
        assert segment.GetName() == term
        np.testing.assert_allclose(segment.GetColor(), np.array(entry.color) / 255, atol=1e-4)
        assert segment.GetTerminology() == terminology_string(entry)
        np.testing.assert_allclose(places(node, segment_id), expected, atol=1e-3)
    assert len(before[0]) == MASKS[0].voxels
    other_volume = other.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(other)
    places_in_it = [hierarchy.GetItemParent(hierarchy.GetItemByDataNode(one)) for one in (node, other_volume)]
    assert places_in_it[0] == places_in_it[1] != hierarchy.GetSceneItemID()
    writer = SegmentWriter(node, other_volume)
    assert writer.warning is None
    assert [writer.existing(term) for term in TERMS] == ids
    # Reading has flipped the left-handed volume; a segment that is put now is on its new grid
    added = writer.put("spleen", coded_entry("spleen"), MASKS[1])
    assert_holds(node, added, other_volume, MASKS[1])
    other.Clear(True)


def test_after_reloading_segments_are_replaced_and_undone(scene, written, reloaded):
    _, ids = written
    other = reloaded(scene)
    node = other.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    writer = SegmentWriter(node, other.GetFirstNodeByClass("vtkMRMLScalarVolumeNode"))
    before = [places(node, segment_id) for segment_id in ids]
    writer.put("liver", coded_entry("liver"), box((0, 0, 0), SHAPE), replace=writer.existing("liver"))
    assert len(places(node, ids[0])) == np.prod(SHAPE)
    writer.undo()
    for segment_id, expected in zip(ids, before, strict=True):
        np.testing.assert_allclose(places(node, segment_id), expected, atol=1e-6)
    other.Clear(True)


def test_undo_works_after_saving(scene, written, segmentation, volume, tmp_path):
    writer, ids = written
    before = places(segmentation, ids[0])
    writer.begin()
    writer.put("liver", coded_entry("liver"), MASKS[2], replace=ids[0])
    writer.put("spleen", coded_entry("spleen"), MASKS[2])
    writer.finish()
    _mrb(scene, tmp_path)
    writer.undo()
    assert list(segmentation.GetSegmentation().GetSegmentIDs()) == ids
    np.testing.assert_allclose(places(segmentation, ids[0]), before)


def test_a_preview_is_not_saved(scene, written, volume, reloaded):
    Outline(volume).show(MASKS[0], (255, 0, 0))
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 2
    other = reloaded(scene)
    assert other.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1
    assert other.GetNumberOfNodesByClass("vtkMRMLSegmentationDisplayNode") == 1
    other.Clear(True)


def test_tags_come_back(scene, written, reloaded):
    from vtk import reference

    _, ids = written
    other = reloaded(scene)
    found = other.GetFirstNodeByClass("vtkMRMLSegmentationNode").GetSegmentation()
    for segment_id, term in zip(ids, TERMS, strict=True):
        values = []
        for name in (TERM_TAG, MODEL_TAG, CONFIDENCE_TAG):
            value = reference("")
            assert found.GetSegment(segment_id).GetTag(name, value)
            values.append(str(value))
        assert values == [term.replace("|", "/"), "sat-tiny", "0.5"]
    other.Clear(True)
