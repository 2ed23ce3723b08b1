"""From a scene to DICOM SEG: the voxels, codes and colours that Slicer shows, on the slices it loaded."""

from __future__ import annotations

import json
import time

import numpy as np
import pydicom
import pytest
import slicer
from Testing.Python.imaging.dicom_made import write_series
from Testing.Python.mrml.reading import box

from SATSegmentLib.anatomy import coded_entry
from SATSegmentLib.errors import InputError, SATError
from SATSegmentLib.imaging import Mask, Volume
from SATSegmentLib.mrml.dicom import dicom_volume, made_by, missing_sources, origins_of, segments_on
from SATSegmentLib.mrml.segments import MEASURED_TAG, MODEL_TAG, SegmentWriter, tag_of
from SATSegmentLib.output import Segment, write_seg_nrrd
from SATSegmentLib.output.dicom_job import DicomSegJob
from SATSegmentLib.output.dicom_seg import Origin

MASKS = {"left kidney": box((2, 3, 4), (9, 11, 12)), "liver": box((5, 8, 0), (19, 20, 15))}


class Database:
    """What Slicer's DICOM database tells: the file of an instance."""

    def __init__(self, files):
        self._files = {pydicom.dcmread(file).SOPInstanceUID: str(file) for file in files}

    def fileForInstance(self, uid):
        return self._files.get(uid, "")

    @property
    def instances(self):
        return " ".join(self._files)


@pytest.fixture
def loaded(tmp_path, add_volume):
    """A volume node as Slicer loads it from DICOM, its series' files by slice, and the database."""

    def load(**series):
        affine = np.diag([-1.5, -2.0, 3.0, 1.0])
        affine[:3, 3] = (40, -30, 20)
        node = add_volume(affine=affine)
        array = slicer.util.arrayFromVolume(node).transpose(2, 1, 0)
        files = write_series(tmp_path / "series", Volume(array, affine, "ct"), **series)
        database = Database(files)
        node.SetAttribute("DICOM.instanceUIDs", database.instances)
        return node, files, database

    return load


def segmented(volume_node, segmentation):
    writer = SegmentWriter(segmentation, volume_node)
    writer.begin()
    for name, mask in MASKS.items():
        writer.put(name, coded_entry(name), mask, {MODEL_TAG: "sat-tiny"})
    writer.finish()


def write(path, node, segmentation, database):
    volume, segments = dicom_volume(node, database), segments_on(node, segmentation)
    job = DicomSegJob(path, volume, segments, made_by(segmentation), origins_of(segmentation))
    end = time.monotonic() + 120
    while job.running:
        assert time.monotonic() < end
        time.sleep(0.05)
    job.end()


def read_back(path, files):
    import highdicom

    seg = highdicom.seg.segread(path)
    uids = [pydicom.dcmread(file).SOPInstanceUID for file in files]
    pixels = seg.get_pixels_by_source_instance(
        uids, assert_missing_frames_are_empty=True, ignore_spatial_locations=True
    )
    return seg, np.moveaxis(pixels, -1, 0).astype(bool).transpose(0, 3, 2, 1)


def test_what_the_scene_shows_is_what_the_file_holds(tmp_path, loaded, segmentation, add_transform):
    node, files, database = loaded()
    for one in (node, segmentation):  # a registration that was put on both; the DICOM images know nothing of it
        one.SetAndObserveTransformNodeID(add_transform().GetID())
    segmented(node, segmentation)
    mine = segmentation.GetSegmentation().GetNthSegment(1)
    mine.SetColor(1, 0, 0)
    mine.SetName("Leber")
    assert missing_sources(node, database) == []
    write(tmp_path / "out.dcm", node, segmentation, database)
    seg, masks = read_back(tmp_path / "out.dcm", files)
    for mask, expected in zip(masks, MASKS.values(), strict=True):
        np.testing.assert_array_equal(mask, expected.array)
    first, second = seg.SegmentSequence
    assert (first.SegmentLabel, second.SegmentLabel) == ("left kidney", "Leber")
    kind = first.SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.CodeMeaning) == ("64033007", "Kidney")
    assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    assert "SlicerSAT_model=sat-tiny" in first.SegmentationAlgorithmIdentificationSequence[0].AlgorithmParameters
    import highdicom

    lab = highdicom.color.CIELabColor.from_dicom_value(list(second.RecommendedDisplayCIELabValue))
    np.testing.assert_allclose(lab.to_rgb(), (255, 0, 0), atol=2)


def test_segments_of_another_grid_and_without_terminology(loaded, segmentation, add_volume):
    """Drawn by hand on a finer volume: each voxel of the scan is what lies at its centre."""
    node, _, _ = loaded()
    affine = np.diag([-0.5, -0.5, 3.0, 1.0])
    affine[:3, 3] = (40, -30, 20)
    fine = add_volume("fine", affine, (60, 96, 16))
    mask = Mask(fine.GetImageData().GetDimensions(), (30, 40, 5), np.ones((15, 24, 4), bool))
    SegmentWriter(segmentation, fine).put("drawn", coded_entry("liver"), mask)
    segmentation.GetSegmentation().GetNthSegment(0).RemoveTag("TerminologyEntry")
    (segment,) = segments_on(node, segmentation)
    np.testing.assert_array_equal(segment.mask.array, box((10, 10, 5), (15, 16, 9)).array)
    assert segment.entry.type.meaning == "Tissue"


def test_how_each_segment_was_made_is_told(tmp_path, loaded, segmentation):
    """By us, by us and edited since, by another extension that says so, by hand; Slicer's other exporters read tags."""
    node, files, database = loaded()
    segmented(node, segmentation)
    writer = SegmentWriter(segmentation, node)
    names = ["left kidney", "liver", "edited", "drawn", "another's"]
    for name in names[2:]:
        writer.put(name, coded_entry(name), box((10, 10, 5), (12, 16, 9)))
    own = segmentation.GetSegmentation()
    ids = list(own.GetSegmentIDs())
    writer.note(ids[0], MEASURED_TAG, json.dumps({"voxels": MASKS["left kidney"].voxels}))
    writer.note(ids[2], MEASURED_TAG, '{"voxels":47}')
    drawn, other = (own.GetSegment(one) for one in ids[3:])
    assert tag_of(drawn, "DICOM.SegmentAlgorithmType") == "AUTOMATIC"
    for tag in ("SlicerSAT.Term", "DICOM.SegmentAlgorithmType", "DICOM.SegmentAlgorithmName"):
        drawn.RemoveTag(tag)
    other.RemoveTag("SlicerSAT.Term")
    other.SetTag("DICOM.SegmentAlgorithmName", "Threshold")
    write(tmp_path / "out.dcm", node, segmentation, database)
    seg, _masks = read_back(tmp_path / "out.dcm", files)
    told = [
        (item.SegmentLabel, item.SegmentAlgorithmType, item.get("SegmentAlgorithmName")) for item in seg.SegmentSequence
    ]
    kinds = [("AUTOMATIC", "SAT")] * 2 + [("SEMIAUTOMATIC", "SAT"), ("MANUAL", None), ("AUTOMATIC", "Threshold")]
    assert told == [(name, *kind) for name, kind in zip(names, kinds, strict=True)]
    identified = ["SegmentationAlgorithmIdentificationSequence" in item for item in seg.SegmentSequence]
    assert identified == [True, True, True, False, False]


def test_a_file_of_the_command_line_tells_that_its_segments_are_automatic(tmp_path, scene):
    volume = Volume(np.zeros((24, 24, 16), np.int16), np.eye(4), "ct", "scan")
    segments = [Segment(name, mask, coded_entry(name)) for name, mask in MASKS.items()]
    write_seg_nrrd(tmp_path / "out.seg.nrrd", volume, segments)
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(tmp_path / "out.seg.nrrd"))
    assert storage.ReadData(segmentation)
    assert origins_of(segmentation) == [Origin("AUTOMATIC", "SAT")] * 2


def test_what_cannot_be_written_says_why(tmp_path, loaded, segmentation, scene):
    node, files, database = loaded(tilt=0.2, study="1.02")  # libraries warn of that UID
    with pytest.raises(InputError, match="no segments"):
        segments_on(node, scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Empty"))
    segmented(node, segmentation)
    with pytest.raises(SATError, match=r"^CT chest was taken with a tilted gantry"):
        write(tmp_path / "out.dcm", node, segmentation, database)
    files[3].unlink()
    with pytest.raises(SATError, match="cannot be read any more"):
        write(tmp_path / "out.dcm", node, segmentation, database)
    assert missing_sources(node, Database(files[:2]))[0].startswith("The files of CT chest are no longer")
    assert [path.name for path in tmp_path.iterdir()] == ["series"]
