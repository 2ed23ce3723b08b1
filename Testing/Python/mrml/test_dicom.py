"""What a segmentation lacks for DICOM SEG."""

from __future__ import annotations

import pytest
import slicer

from SATSegmentLib.mrml.dicom import missing_for_dicom


class Database:
    """A DICOM database that holds some files."""

    def __init__(self, *known):
        self._known = known

    def fileForInstance(self, uid):
        return f"/{uid}.dcm" if uid in self._known else ""


@pytest.fixture
def hierarchy(scene, volume, segmentation):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    for node in (volume, segmentation):
        if not hierarchy.GetItemByDataNode(node):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    return hierarchy


def test_a_volume_from_a_plain_file(volume, segmentation):
    (sentence,) = missing_for_dicom(volume, segmentation)
    assert sentence.startswith("CT chest was not loaded from DICOM")


def test_no_volume(segmentation):
    assert "belongs to no volume" in missing_for_dicom(None, segmentation)[0]


def test_step_by_step_to_nothing_missing(hierarchy, volume, segmentation):
    volume.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    assert [text.partition(" in no study")[1] for text in missing_for_dicom(volume, segmentation)] == [" in no study"]
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Patient")
    study = hierarchy.CreateStudyItem(patient, "Study")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(volume), study)
    assert "is not in the study of CT chest" in missing_for_dicom(volume, segmentation)[0]
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(segmentation), study)
    assert missing_for_dicom(volume, segmentation) == []
    assert missing_for_dicom(volume, segmentation, Database("1.2.3", "1.2.4")) == []
    (sentence,) = missing_for_dicom(volume, segmentation, Database("1.2.3"))
    assert "no longer in the DICOM database" in sentence
