"""DICOM SEG: the same masks, codes and colours by other readers, on the source's own slices."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from Testing.Python.imaging.dicom_made import write_multiframe, write_series

from SATSegmentLib.anatomy import coded_entry
from SATSegmentLib.anatomy.codes import Code, CodedEntry
from SATSegmentLib.errors import InputError, SATError
from SATSegmentLib.imaging import Mask, Volume
from SATSegmentLib.output import Segment
from SATSegmentLib.output.dicom_seg import AUTOMATIC, MANUAL, SEMIAUTOMATIC, Origin, check_dicom_seg, write_dicom_seg

MADE_BY = {"SlicerSAT_version": "1.2", "SlicerSAT_model": "sat-tiny"}
DCIODVFY = shutil.which("dciodvfy")
DCMQI = shutil.which("segimage2itkimage", path=str(Path(sys.executable).parent))


def some_segments(shape):
    """Five segments, two of which overlap the others and one without voxels, with all kinds of codes."""
    arrays = np.zeros((5, *shape), bool)
    i, j, k = shape
    arrays[0, 1 : i // 2, 2:-2, 1:-1] = True
    arrays[1, : i - 1, 1 : j // 2, 2 : k // 2] = True
    arrays[2, i // 2 :, 2:-1, :] = np.random.default_rng(1).random((i - i // 2, j - 3, k)) > 0.5
    arrays[4, -1, -1, -1] = True
    lesion = CodedEntry(
        Code("SCT", "49755003", "Morphologically Altered Structure"),
        Code("SCT", "4147007", "Mass"),
        None,
        (255, 0, 0),
        Code("SCT", "64033007", "Kidney"),
        Code("SCT", "24028007", "Right"),
    )
    entries = [*map(coded_entry, ("left lung", "basal ganglia", "liver", "spleen")), lesion]
    names = ["left lung", "basal ganglia", "肝 Leber\\liver", "spleen", "x" * 80]
    return [Segment(*one) for one in zip(names, map(Mask.of, arrays), entries, strict=True)]


@pytest.fixture(scope="module")
def chest_series(tmp_path_factory, chest):
    """A real chest CT as a DICOM series: its volume, and the files by slice."""
    folder = tmp_path_factory.mktemp("chest")
    files = write_series(folder, chest)
    return Volume.read(folder), files


@pytest.fixture(scope="module")
def written(chest_series, tmp_path_factory):
    volume, files = chest_series
    segments = some_segments(volume.shape)
    path = tmp_path_factory.mktemp("seg") / "out.dcm"
    write_dicom_seg(path, volume, segments, MADE_BY)
    return path, volume, files, [segment for segment in segments if segment.mask.voxels]


def read_back(path, files):
    """Masks by segment number as highdicom finds them for the source's files, axes of each (file, row, column)."""
    import highdicom

    seg = highdicom.seg.segread(path)
    uids = [pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID for file in files]
    pixels = seg.get_pixels_by_source_instance(
        uids, assert_missing_frames_are_empty=True, ignore_spatial_locations=True
    )
    return seg, np.moveaxis(pixels, -1, 0).astype(bool)


def triple(item):
    return item.CodingSchemeDesignator, item.CodeValue, item.CodeMeaning


def test_highdicom_reads_masks_codes_and_colours(written):
    import highdicom

    path, _, files, segments = written
    seg, masks = read_back(path, files)
    assert seg.number_of_segments == len(segments) == 4
    assert seg.SegmentsOverlap == "YES"
    for number, segment in enumerate(segments, 1):
        np.testing.assert_array_equal(masks[number - 1].transpose(2, 1, 0), segment.mask.array)
        found, entry = seg.get_segment_description(number), segment.entry
        assert triple(found.segmented_property_category) == (entry.category.scheme, *_rest(entry.category))
        assert triple(found.segmented_property_type) == (entry.type.scheme, *_rest(entry.type))
        lab = highdicom.color.CIELabColor.from_dicom_value(list(found.RecommendedDisplayCIELabValue))
        np.testing.assert_allclose(lab.to_rgb(), entry.color, atol=2)
        assert found.SegmentAlgorithmType == "AUTOMATIC"
        algorithm = found.algorithm_identification
        assert (algorithm.name, triple(algorithm.family)) == ("SAT", ("DCM", "123110", "Artificial Intelligence"))
        assert algorithm.parameters == MADE_BY
    items = seg.SegmentSequence
    assert [item.SegmentLabel for item in items] == ["left lung", "basal ganglia", "肝 Leber/liver", "x" * 64]
    kind = items[0].SegmentedPropertyTypeCodeSequence[0]
    assert triple(kind.SegmentedPropertyTypeModifierCodeSequence[0]) == ("SCT", "7771000", "Left")
    assert items[1].SegmentedPropertyTypeCodeSequence[0].CodeValue == "UBERON:0010011"
    region = items[3].AnatomicRegionSequence[0]
    assert triple(region) == ("SCT", "64033007", "Kidney")
    assert triple(region.AnatomicRegionModifierSequence[0]) == ("SCT", "24028007", "Right")


def _rest(code):
    return code.value, code.meaning


def test_patient_study_place_and_sources_are_the_scans(written):
    path, _, files, segments = written
    seg, sources = pydicom.dcmread(path), [pydicom.dcmread(file) for file in files]
    assert str(seg.PatientName) == "Müller^Max"
    for name in ("PatientID", "StudyInstanceUID", "StudyDate", "FrameOfReferenceUID"):
        assert seg[name].value == sources[0][name].value
    assert seg.SeriesInstanceUID != sources[0].SeriesInstanceUID and seg.SeriesNumber == 1003
    assert "sat-tiny" in seg.SeriesDescription
    (referenced,) = seg.ReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == sources[0].SeriesInstanceUID
    instances = {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence}
    assert instances == {source.SOPInstanceUID for source in sources}
    planes = sum(int(segment.mask.array.any((0, 1)).sum()) for segment in segments)
    assert seg.NumberOfFrames == planes  # none is empty
    by_uid = {source.SOPInstanceUID: source for source in sources}
    for frame in seg.PerFrameFunctionalGroupsSequence:
        (derived,) = frame.DerivationImageSequence
        source = by_uid[derived.SourceImageSequence[0].ReferencedSOPInstanceUID]
        assert frame.PlanePositionSequence[0].ImagePositionPatient == source.ImagePositionPatient


@pytest.mark.skipif(DCMQI is None, reason="dcmqi is not installed: pip install dcmqi")
def test_dcmqi_reads_the_same(written, tmp_path):
    path, volume, _, segments = written
    command = [DCMQI, "--inputDICOM", str(path), "--outputDirectory", str(tmp_path), "--outputType", "nrrd"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (meta,) = tmp_path.glob("*.json")
    described = {item["labelID"]: item for one in json.loads(meta.read_text())["segmentAttributes"] for item in one}
    seen = set()
    for file in tmp_path.glob("*.nrrd"):
        image = sitk.ReadImage(str(file))
        for label in np.unique(sitk.GetArrayViewFromImage(image))[1:]:
            seen.add(int(label))
            segment, item = segments[label - 1], described[label]
            here = np.argwhere(sitk.GetArrayFromImage(image).transpose(2, 1, 0) == label)
            affine = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
            lps = here @ affine.T + image.GetOrigin()
            places = np.linalg.inv(volume.affine) @ np.c_[lps * (-1, -1, 1), np.ones(len(lps))].T
            np.testing.assert_allclose(places, np.round(places), atol=1e-3)
            mask = np.zeros(volume.shape, bool)
            mask[tuple(np.round(places[:3]).astype(int))] = True
            np.testing.assert_array_equal(mask, segment.mask.array)
            for name, code in (
                ("SegmentedPropertyCategoryCodeSequence", segment.entry.category),
                ("SegmentedPropertyTypeCodeSequence", segment.entry.type),
                ("SegmentedPropertyTypeModifierCodeSequence", segment.entry.modifier),
                ("AnatomicRegionSequence", segment.entry.region),
                ("AnatomicRegionModifierSequence", segment.entry.region_modifier),
            ):
                found = item.get(name)
                expected = code and {
                    "CodingSchemeDesignator": code.scheme,
                    "CodeValue": code.value,
                    "CodeMeaning": code.meaning,
                }
                assert found == expected, name
            np.testing.assert_allclose(item["recommendedDisplayRGBValue"], segment.entry.color, atol=2)
    assert seen == {1, 2, 3, 4}


@pytest.mark.skipif(DCIODVFY is None, reason="dciodvfy is not installed: apt install dicom3tools")
@pytest.mark.parametrize("kind", ["overlapping", "apart", "tilted", "multi-frame", "by hand"])
def test_dciodvfy_finds_no_errors(written, chest, tmp_path, kind):
    path = written[0]
    if kind != "overlapping":
        small = Volume(chest.array[:20, :16, :6], chest.affine, "ct")
        if kind == "multi-frame":
            write_multiframe(tmp_path / "source.dcm", small)
        else:
            write_series(tmp_path / "source", small, tilt=0.2 if kind == "tilted" else 0)
        volume = Volume.read(tmp_path / ("source.dcm" if kind == "multi-frame" else "source"))
        path = tmp_path / "seg.dcm"
        segments = some_segments(volume.shape)[: 4 if kind in ("tilted", "by hand") else 1]
        by_hand = [Origin(MANUAL, ""), Origin(SEMIAUTOMATIC), Origin(AUTOMATIC, "Threshold"), Origin(SEMIAUTOMATIC, "")]
        write_dicom_seg(path, volume, segments, MADE_BY, by_hand if kind == "by hand" else None)
    told = subprocess.run([DCIODVFY, "-new", str(path)], capture_output=True, text=True)
    lines = (told.stdout + told.stderr).splitlines()
    assert "Segmentation" in lines
    assert [line for line in lines if line.startswith("Error")] == []
    assert told.returncode == 0


@pytest.mark.parametrize("overlap", [False, True])
def test_masks_lie_on_the_slices_of_a_tilted_gantry(tmp_path, chest, overlap):
    volume, files, segments = _on(tmp_path, chest, overlap, tilt=0.2)
    assert volume.shape[1] > 16
    write_dicom_seg(tmp_path / "out.dcm", volume, segments)
    _, masks = read_back(tmp_path / "out.dcm", files)
    for k, file in enumerate(files):
        lps = np.array(pydicom.dcmread(file).ImagePositionPatient, float)
        j = round(np.linalg.solve(volume.affine, (-lps[0], -lps[1], lps[2], 1))[1])
        for mask, segment in zip(masks, segments, strict=True):
            np.testing.assert_array_equal(mask[k].T, segment.mask.array[:, j : j + 16, k])


def test_what_lies_on_a_missing_slice_is_left_out(tmp_path, chest):
    volume, files, segments = _on(tmp_path, chest, True, missing=[4])
    assert volume.shape == (20, 16, 8)
    write_dicom_seg(tmp_path / "out.dcm", volume, segments)
    there = [k for k in range(8) if k != 4]
    _, masks = read_back(tmp_path / "out.dcm", [files[k] for k in there])
    for mask, segment in zip(masks, segments, strict=True):
        np.testing.assert_array_equal(mask.transpose(2, 1, 0), segment.mask.array[:, :, there])


def test_frames_of_a_multi_frame_image(tmp_path, chest):
    import highdicom

    small = Volume(chest.array[:20, :16, :8], chest.affine, "ct")
    write_multiframe(tmp_path / "source.dcm", small)
    volume = Volume.read(tmp_path / "source.dcm")
    segments = _boxes(volume.shape, True)
    write_dicom_seg(tmp_path / "out.dcm", volume, segments)
    seg = highdicom.seg.segread(tmp_path / "out.dcm")
    source = pydicom.dcmread(tmp_path / "source.dcm")
    pixels = seg.get_pixels_by_source_frame(
        source.SOPInstanceUID, range(1, 9), assert_missing_frames_are_empty=True, ignore_spatial_locations=True
    )
    for mask, segment in zip(np.moveaxis(pixels, -1, 0), segments, strict=True):
        np.testing.assert_array_equal(mask[::-1].transpose(2, 1, 0), segment.mask.array)  # frames go down


def test_a_part_of_the_series_with_its_axes_elsewhere(tmp_path, chest):
    """As 3D Slicer crops: the volume is a part of the slices, and one voxel wider."""
    whole, files, _ = _on(tmp_path, chest, True)
    affine = whole.affine.copy()
    affine[:3, 3] = (whole.affine @ (-1, 3, 2, 1))[:3]
    part = Volume(whole.array[:12, :9, :4], affine, "ct", source=whole.source)
    segments = [Segment("all", Mask.of(np.ones(part.shape, bool)), coded_entry("liver"))]
    write_dicom_seg(tmp_path / "out.dcm", part, segments)
    _, (mask,) = read_back(tmp_path / "out.dcm", files)
    expected = np.zeros(whole.shape, bool)
    expected[:11, 3:12, 2:6] = True
    np.testing.assert_array_equal(mask.transpose(2, 1, 0), expected)


def test_more_than_255_segments(tmp_path, chest):
    volume, _, _ = _on(tmp_path, chest, True)
    cells = itertools.islice(np.ndindex(*volume.shape), 0, None, 9)
    entry = coded_entry("liver")
    segments = [
        Segment(f"part {n}", Mask(volume.shape, cell, np.ones((1, 1, 1), bool)), entry)
        for n, cell in enumerate(itertools.islice(cells, 260))
    ]
    write_dicom_seg(tmp_path / "out.dcm", volume, segments)
    seg = pydicom.dcmread(tmp_path / "out.dcm")
    assert len(seg.SegmentSequence) == len(seg.pixel_array) == 260 and seg.SegmentsOverlap == "NO"
    for frame, pixels in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True):
        number = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        i, j, _ = segments[number - 1].mask.start
        np.testing.assert_array_equal(np.argwhere(pixels), [(j, i)])


def test_names_and_codes_as_users_type_them(tmp_path, chest):
    volume, _, (segment, other) = _on(tmp_path, chest, False)
    entry = replace(segment.entry, type=Code("99OURS", "a code of more than 16 characters", " "))
    segments = [Segment("tab\tand\x1b\0end\n", segment.mask, entry), Segment(" ", other.mask, other.entry)]
    write_dicom_seg(tmp_path / "out.dcm", volume, segments)
    items = pydicom.dcmread(tmp_path / "out.dcm").SegmentSequence
    assert [item.SegmentLabel for item in items] == ["tab and end", "Segment 2"]
    kind = items[0].SegmentedPropertyTypeCodeSequence[0]
    assert kind.LongCodeValue == kind.CodeMeaning == "a code of more than 16 characters"


def test_what_overlaps_is_put_together_beside_the_file(tmp_path, chest, monkeypatch):
    """The system's folder of temporary files may be memory, which many segments of a whole body would fill."""
    volume, _, segments = _on(tmp_path, chest, True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    write_dicom_seg(tmp_path / "out.dcm", volume, segments)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.dcm", "source"]


def test_anonymous_images_lack_a_lot(tmp_path, chest):
    volume, files, segments = _on(tmp_path, chest, True)
    for file in files:
        image = pydicom.dcmread(file)
        for name in ("PatientName", "PatientID", "StudyTime", "AccessionNumber", "SliceThickness"):
            delattr(image, name)
        del image.SeriesNumber, image.SpecificCharacterSet, image.Manufacturer
        image.StudyDate = image.PatientBirthDate = "unknown"
        image.save_as(file)
    write_dicom_seg(tmp_path / "out.dcm", volume, segments)
    seg, masks = read_back(tmp_path / "out.dcm", files)
    assert seg.PatientID == seg.StudyDate == seg.PatientBirthDate == ""
    assert seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SliceThickness == 10
    np.testing.assert_array_equal(masks[0].transpose(2, 1, 0), segments[0].mask.array)


def test_what_cannot_be_written_is_refused_in_words(tmp_path, chest, chest_series):
    out = tmp_path / "out.dcm"
    out.write_text("old")
    volume = chest_series[0]
    segments = some_segments(volume.shape)
    with pytest.raises(InputError, match="was not read from DICOM"):
        check_dicom_seg(chest)
    with pytest.raises(InputError, match="was not read from DICOM"):
        write_dicom_seg(out, chest, segments)
    with pytest.raises(SATError, match="nothing was found"):
        write_dicom_seg(out, volume, [segments[3]])
    for change, message in (
        (np.diag([2.0, 1, 1, 1]), "does not lie on the slices"),
        (np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0.4], [0, 0, 0, 1]]), "between those of its DICOM files"),
        (np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 99], [0, 0, 0, 1]]), "does not lie where"),
    ):
        moved = Volume(volume.array, volume.affine @ change, "ct", source=volume.source)
        with pytest.raises(InputError, match=message):
            write_dicom_seg(out, moved, segments)
    files = chest_series[1]
    content = files[2].read_bytes()
    with pytest.raises(InputError, match="is one of the images"):
        write_dicom_seg(files[2], volume, segments)
    assert files[2].read_bytes() == content
    alike, files, boxes = _on(tmp_path, chest, True, SOPInstanceUID="1.2.3.4")
    with pytest.raises(InputError, match="have one SOPInstanceUID"):
        write_dicom_seg(out, alike, boxes)
    shutil.rmtree(tmp_path / "source")
    gone, files, boxes = _on(tmp_path, chest, True, FrameOfReferenceUID="")
    with pytest.raises(InputError, match="no FrameOfReferenceUID"):
        write_dicom_seg(out, gone, boxes)
    files[2].unlink()
    with pytest.raises(InputError, match="cannot be read any more"):
        write_dicom_seg(out, gone, boxes)
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.dcm", "source"]


def _on(tmp_path, chest, overlap, **series):
    """A small series: its volume, its files by slice, and two segments."""
    small = Volume(chest.array[:20, :16, :8], chest.affine, "ct")
    files = write_series(tmp_path / "source", small, **series)
    volume = Volume.read(tmp_path / "source")
    return volume, files, _boxes(volume.shape, overlap)


def _boxes(shape, overlap):
    arrays = np.zeros((2, *shape), bool)
    arrays[0, 2:9, 3:9] = True
    arrays[1, 5 if overlap else 9 :, 6:, 1:-1] = True
    return [
        Segment(name, Mask.of(one), coded_entry(name)) for name, one in zip(("liver", "aorta"), arrays, strict=True)
    ]
