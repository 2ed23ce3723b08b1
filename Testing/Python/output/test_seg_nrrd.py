from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicerio

from SATSegmentLib.anatomy.codes import terminology_string
from SATSegmentLib.imaging import Mask, Volume
from SATSegmentLib.output import Segment, write_seg_nrrd

LPS = np.diag([-1, -1, 1, 1])


def check(path, volume, segments):
    """The file holds the segments, on the volume's grid."""
    back = slicerio.read_segmentation(str(path))
    np.testing.assert_allclose(back["ijkToLPS"], LPS @ volume.affine, atol=1e-12)
    assert back["voxels"].shape[-3:] == volume.shape
    assert back["masterRepresentation"] == "Binary labelmap"
    assert back["containedRepresentationNames"] == ["Binary labelmap"]
    assert back["encoding"] == "gzip"
    assert [item["id"] for item in back["segments"]] == [f"Segment_{n + 1}" for n in range(len(segments))]
    for item, segment in zip(back["segments"], segments, strict=True):
        assert item["name"] == segment.name
        assert item["extent"] == [bound for n in volume.shape for bound in (0, n - 1)]
        np.testing.assert_allclose(np.array(item["color"]) * 255, segment.entry.color, atol=1e-3)
        expected = slicerio.segmentation.terminology_entry_from_string(terminology_string(segment.entry))
        assert item["terminology"] == expected
        np.testing.assert_array_equal(slicerio.segment_mask(back, item), segment.mask.array)
    return back


@pytest.mark.parametrize("name", ["chest_segments", "overlapping_segments"])
def test_real_segments_come_back(tmp_path, chest, request, name):
    path = tmp_path / "out.seg.nrrd"
    segments = request.getfixturevalue(name)
    write_seg_nrrd(path, chest, segments)
    back = check(path, chest, segments)
    assert back["voxels"].ndim == (3 if name == "chest_segments" else 4)
    assert list(tmp_path.iterdir()) == [path]


def test_overlapping_segments_on_an_oblique_grid(tmp_path, oblique, make_segment):
    lung = np.zeros(oblique.shape)
    lung[1:6, 2:5, 0:3] = 1
    lesion = np.zeros(oblique.shape)
    lesion[4:9, 3:9, 2:8] = 1
    heart = np.zeros(oblique.shape)
    heart[10:, :, :] = 1
    segments = [
        make_segment("left lung", lung, color=(1, 128, 254), modifier=("SCT", "7771000", "Left")),
        make_segment("lesion", lesion, kind=("SCT", "4147007", "Mass")),
        make_segment("nothing", np.zeros(oblique.shape)),
        make_segment("heart", heart),
    ]
    path = tmp_path / "out.seg.nrrd"
    write_seg_nrrd(path, oblique, segments, {"SAT_model": "nano", "SAT_note": "für\ndich"})
    back = check(path, oblique, segments)
    assert back["voxels"].shape[0] == 2
    assert back["SAT_model"] == "nano"
    assert back["SAT_note"] == "fur dich"


def test_the_reference_geometry_is_slicers(tmp_path, oblique, make_segment):
    path = tmp_path / "out.seg.nrrd"
    write_seg_nrrd(path, oblique, [make_segment("a", np.ones(oblique.shape))])
    (parameter,) = slicerio.read_segmentation(str(path))["conversionParameters"]
    assert parameter["name"] == "Reference image geometry"
    numbers = [float(number) for number in parameter["value"].rstrip(";").split(";")]
    np.testing.assert_array_equal(np.reshape(numbers[:16], (4, 4)), oblique.affine)
    assert numbers[16:] == [0, 11, 0, 9, 0, 7]
    (line,) = [line for line in path.read_bytes().split(b"\n") if line.startswith(b"Segmentation_ConversionParameters")]
    assert line.endswith(b"&")  # without it Slicer ignores the parameter


def test_itk_places_the_voxels_as_the_volume_does(tmp_path, oblique, make_segment):
    array = np.zeros(oblique.shape)
    array[3, 7, 2] = 1
    path = tmp_path / "out.seg.nrrd"
    write_seg_nrrd(path, oblique, [make_segment("a", array)])
    image = sitk.ReadImage(str(path))
    assert image.GetPixel(3, 7, 2) == 1
    expected = (LPS @ oblique.affine @ (3, 7, 2, 1))[:3]
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((3, 7, 2)), expected, atol=1e-9)


def test_no_segments(tmp_path, chest):
    path = tmp_path / "out.seg.nrrd"
    write_seg_nrrd(path, chest, [])
    back = check(path, chest, [])
    assert not back["voxels"].any()


def test_more_than_255_segments(tmp_path, make_segment):
    volume = Volume(np.zeros((8, 8, 5)), np.eye(4), "ct")
    entry = make_segment("a", np.ones((1, 1, 1))).entry
    masks = [Mask(volume.shape, (n // 40, n // 5 % 8, n % 5), np.ones((1, 1, 1), bool)) for n in range(320)]
    segments = [Segment(f"part {n}", mask, entry) for n, mask in enumerate(masks)]
    path = tmp_path / "out.seg.nrrd"
    write_seg_nrrd(path, volume, segments)
    back = check(path, volume, segments)
    assert back["voxels"].dtype == np.uint16 and back["voxels"].max() == 320


def test_names_that_nrrd_cannot_hold(tmp_path, chest, make_segment):
    empty = np.zeros(chest.shape)
    path = tmp_path / "out.seg.nrrd"
    write_seg_nrrd(path, chest, [make_segment(name, empty) for name in ("Wirbelkörper", "two\nlines", "肺", " ")])
    back = slicerio.read_segmentation(str(path), skip_voxels=True)
    assert [item["name"] for item in back["segments"]] == ["Wirbelkorper", "two lines", "?", "Segment_4"]


def test_a_failure_keeps_the_old_file(tmp_path, chest, chest_segments, monkeypatch):
    path = tmp_path / "out.seg.nrrd"
    path.write_text("old")

    def fail(file, *args, **kwargs):
        Path(file).write_text("half")
        raise RuntimeError

    monkeypatch.setattr(slicerio, "write_segmentation", fail)
    with pytest.raises(RuntimeError):
        write_seg_nrrd(path, chest, chest_segments)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
