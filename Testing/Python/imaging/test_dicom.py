"""Which DICOM series is read, and that each voxel is where its pixel was."""

from __future__ import annotations

import shutil

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from Testing.Python.imaging.dicom_made import write_multiframe, write_series

from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging import Volume
from SATSegmentLib.imaging.dicom_series import choose_series

SCAN = np.random.default_rng(0).integers(-900, 900, (7, 8, 9)).astype(np.int16)


def scan(shape=SCAN.shape, oblique=False):
    """Voxels of 2 x 1.5 x 3 mm on a patient's axes, first row to the front, or turned."""
    affine = np.diag([-2.0, -1.5, 3.0, 1.0])
    if oblique:
        angle = 0.3
        turn = np.eye(4)
        turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        affine = turn @ affine
    affine[:3, 3] = (10, 20, -30)
    array = np.resize(SCAN, shape) if shape != SCAN.shape else SCAN
    return Volume(array, affine, "ct")


@pytest.mark.parametrize("oblique", [False, True])
def test_a_series_is_the_volume_it_was_made_of(tmp_path, oblique):
    made = scan(oblique=oblique)
    files = write_series(tmp_path / "series", made, Modality="MR")
    for path in (tmp_path / "series", files[4]):
        volume = Volume.read(path)
        np.testing.assert_array_equal(volume.array, SCAN)
        np.testing.assert_allclose(volume.affine, made.affine, atol=1e-6)
        assert volume.modality == "mri"  # by its tag: its intensities look like CT
        assert sorted(volume.source.files) == sorted(files)
        assert set(volume.source.instances) == {pydicom.dcmread(file).SOPInstanceUID for file in files}
        assert volume.source.notes == ()
    assert Volume.read(tmp_path / "series", modality="ct").modality == "ct"


def test_itk_places_the_series_there_too(tmp_path):
    """An independent reader, of a series whose files lie in no order."""
    write_series(tmp_path, scan(oblique=True))
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path))
    image = sitk.ReadImage(names)
    volume = Volume.read(tmp_path)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).transpose(2, 1, 0), volume.array)
    for voxel in ((0, 0, 0), (6, 3, 8)):
        lps = np.array(image.TransformIndexToPhysicalPoint(voxel))
        np.testing.assert_allclose((volume.affine @ (*voxel, 1))[:3], lps * (-1, -1, 1), atol=1e-4)


def test_values_are_rescaled_slice_by_slice(tmp_path):
    write_series(tmp_path, scan(), Modality="PT", RescaleSlope=lambda k: 1 if k == 0 else 0.25 * k, RescaleIntercept=0)
    scale = np.maximum(0.25 * np.arange(9), 0)
    scale[0] = 1
    np.testing.assert_allclose(Volume.read(tmp_path).array, SCAN * scale, rtol=1e-6)


def test_rounded_positions_are_no_tilt(tmp_path):
    for step in (2 / 3, 1.171875, 0.3):
        made = scan()
        made.affine[:3, 2] = (0, 0, step)
        folder = tmp_path / f"step{step}"
        files = write_series(folder, made)
        for file in files:
            image = pydicom.dcmread(file)
            image.ImagePositionPatient = [round(float(x), 3) for x in image.ImagePositionPatient]
            image.save_as(file)
        volume = Volume.read(folder)
        assert volume.shape == (7, 8, 9) and volume.source.notes == ()
        assert volume.spacing[2] == pytest.approx(step, abs=1e-3)


def test_a_multi_frame_image_is_read_with_its_rescaling(tmp_path):
    write_multiframe(tmp_path / "all.dcm", scan(oblique=True))
    volume = Volume.read(tmp_path)
    np.testing.assert_array_equal(volume.array, SCAN * 2 - 100)
    np.testing.assert_allclose(volume.affine, scan(oblique=True).affine, atol=1e-6)
    assert volume.source.files == (tmp_path / "all.dcm",)


def test_values_do_not_depend_on_how_dark_and_bright_are_shown(tmp_path):
    """Hounsfield units stay what they are; ITK would turn them round."""
    write_series(tmp_path / "series", scan(), PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(Volume.read(tmp_path / "series").array, SCAN)
    (tmp_path / "frames").mkdir()
    write_multiframe(tmp_path / "frames" / "all.dcm", scan(), PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(Volume.read(tmp_path / "frames").array, SCAN * 2 - 100)


def test_a_slice_kept_as_other_numbers(tmp_path):
    """Its values do not fit the kind of the first slice's."""
    files = write_series(tmp_path, scan())
    image = pydicom.dcmread(files[4])
    image.PixelRepresentation = 0
    image.PixelData = np.full((8, 7), 40000, "<u2").tobytes()
    image.save_as(files[4])
    array = Volume.read(tmp_path).array
    assert (array[:, :, 4] == 40000).all()
    np.testing.assert_array_equal(array[:, :, 3], SCAN[:, :, 3])


def test_frames_in_files_of_their_own_are_each_scaled_by_its_slope(tmp_path):
    (tmp_path / "whole").mkdir()
    write_multiframe(tmp_path / "whole" / "all.dcm", scan())
    image = pydicom.dcmread(tmp_path / "whole" / "all.dcm")
    frames, groups = image.pixel_array, list(image.PerFrameFunctionalGroupsSequence)
    image.NumberOfFrames = 1
    for number, (pixels, group) in enumerate(zip(frames, groups, strict=True)):
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"1.2.7.{number}"
        image.PerFrameFunctionalGroupsSequence = [group]
        image.PixelData = pixels.tobytes()
        shared = image.SharedFunctionalGroupsSequence[0]
        shared.PixelValueTransformationSequence[0].RescaleSlope = 1 + number / 2
        image.save_as(tmp_path / f"{number}.dcm")
    (tmp_path / "whole" / "all.dcm").unlink()
    np.testing.assert_array_equal(Volume.read(tmp_path).array, SCAN * (1 + np.arange(9)[::-1] / 2) - 100)


def test_slices_of_a_tilted_gantry_are_put_in_place(tmp_path):
    files = write_series(tmp_path, scan(), tilt=0.2)
    volume = Volume.read(tmp_path)
    assert volume.shape == (7, 11, 9)  # 24 mm of height shift by 4.8 mm, which is three pixels
    for k, file in enumerate(files):
        image = pydicom.dcmread(file)
        lps = np.array(image.ImagePositionPatient, float)
        place = np.linalg.solve(volume.affine, (-lps[0], -lps[1], lps[2], 1))[:3]
        np.testing.assert_allclose(place[[0, 2]], (0, k), atol=1e-6)
        j = round(place[1])
        assert abs(place[1] - j) <= 0.5
        np.testing.assert_array_equal(volume.array[:, j : j + 8, k], SCAN[:, :, k])
    outside = volume.array[:, 8:, 0]
    assert outside.size and (outside == SCAN.min()).all()
    (note,) = volume.source.notes
    assert "11.3 degrees" in note


def test_one_missing_slice_is_filled_and_said(tmp_path):
    write_series(tmp_path, scan(), missing=[5])
    volume = Volume.read(tmp_path)
    assert volume.shape == SCAN.shape and len(volume.source.files) == 8
    keep = [0, 1, 2, 3, 4, 6, 7, 8]
    np.testing.assert_array_equal(volume.array[:, :, keep], SCAN[:, :, keep])
    mean = (SCAN[:, :, 4].astype(float) + SCAN[:, :, 6]) / 2
    assert np.abs(volume.array[:, :, 5] - mean).max() <= 0.5
    (note,) = volume.source.notes
    assert "missing after slice 5" in note


@pytest.mark.parametrize(
    ("missing", "message"),
    [((4, 5), r"slices 9\.00 mm apart after slice 4"), ((2, 6), r"slices 6\.00 mm apart after slice 2")],
)
def test_more_missing_slices_are_refused(tmp_path, missing, message):
    write_series(tmp_path, scan(), missing=missing)
    with pytest.raises(InputError, match=message):
        Volume.read(tmp_path)


def test_what_makes_no_volume_is_refused(tmp_path):
    write_series(tmp_path / "cine", scan(), ImagePositionPatient=[0, 0, 0])
    with pytest.raises(InputError, match="several slices at one position"):
        Volume.read(tmp_path / "cine")
    write_series(tmp_path / "slanted", scan(), tilt=2)
    with pytest.raises(InputError, match="they make no volume"):
        Volume.read(tmp_path / "slanted")
    drifting = [3.0 * k for k in range(8)] + [21 + 3.25 * k for k in range(1, 9)]  # no distance is out of the usual
    write_series(
        tmp_path / "drift", scan((7, 8, 16)), ImagePositionPatient=lambda k: [-10, -20, drifting[k]], SeriesNumber=4
    )
    with pytest.raises(InputError, match=r"up to 0\.93 mm beside even distances of 3\.25 mm"):
        Volume.read(tmp_path / "drift")
    write_series(tmp_path / "aside", scan(), ImagePositionPatient=lambda k: [3000 * (k == 4), 0, 3 * k])
    with pytest.raises(InputError, match="they make no volume"):
        Volume.read(tmp_path / "aside")
    write_series(tmp_path / "report", scan(), Modality="SR")
    with pytest.raises(InputError, match="no CT, MR or PET slices"):
        Volume.read(tmp_path / "report")
    write_series(tmp_path / "one", scan(), missing=range(1, 9))
    with pytest.raises(InputError, match="single slice"):
        Volume.read(tmp_path / "one")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.dcm").write_text("hello")
    with pytest.raises(InputError, match="no DICOM series"):
        Volume.read(tmp_path / "empty")


def test_a_damaged_slice_is_refused(tmp_path):
    files = write_series(tmp_path, scan())
    files[3].write_bytes(files[3].read_bytes()[:-60])
    with pytest.raises(InputError, match="cannot be read"):
        Volume.read(tmp_path)


def test_the_series_of_a_study_is_chosen_and_said(tmp_path):
    """A study as an archive exports it: folders in folders, a file of anything else among them."""
    scout, mip = ({"ImageType": ["DERIVED", "PRIMARY", word]} for word in ("LOCALIZER", "MIP"))
    wide = scan((7, 8, 12))
    sagittal = scan((9, 9, 13))
    sagittal.affine[:3, :3] = np.array([[0, 0, 3.0], [-2, 0, 0], [0, -2, 0]])
    series = {
        "scout": write_series(tmp_path / "a", scan((7, 8, 13)), SeriesNumber=1, SeriesDescription="Topo", **scout),
        "named": write_series(tmp_path / "a", scan((7, 8, 14)), SeriesNumber=2, SeriesDescription="Abd Scout"),
        "wanted": write_series(tmp_path / "b" / "c", wide, SeriesNumber=4, SeriesDescription="Thorax 1.0"),
        "thick": write_series(tmp_path / "b", scan((7, 8, 4)), SeriesNumber=3, SeriesDescription="Thorax 5.0"),
        "mip": write_series(tmp_path / "b", scan((7, 8, 13)), SeriesNumber=5, **mip),
        "sagittal": write_series(tmp_path / "b", sagittal, SeriesNumber=6),
        "pet": write_series(tmp_path / "d", scan((7, 8, 13)), SeriesNumber=7, Modality="PT"),
        "report": write_series(tmp_path / "d", scan((7, 8, 13)), SeriesNumber=8, Modality="SR"),
        "gaps": write_series(tmp_path / "d", scan((7, 8, 15)), missing=(4, 9), SeriesNumber=9),
    }
    (tmp_path / "README.txt").write_text("hello")
    chosen = choose_series(tmp_path)
    assert sorted(chosen.series.files) == sorted(series["wanted"])
    why = {one.headers[0].SeriesNumber: words for one, words in chosen.others}
    assert why == {
        1: "scout image",
        2: "scout image",
        3: "fewer slices",
        5: "reformatted",
        6: "not axial",
        7: "PET",
        8: "no CT, MR or PET slices",
        9: "slices that make no volume",
    }
    volume = Volume.read(tmp_path)
    assert volume.shape == (7, 8, 12)
    (note,) = volume.source.notes
    assert '4 "Thorax 1.0" is taken (CT, 12 axial slices of 7 x 8), not ' in note
    assert '3 "Thorax 5.0" (fewer slices)' in note
    assert Volume.read(tmp_path, "pet").shape == (7, 8, 13)
    assert Volume.read(series["sagittal"][3]).shape == (9, 9, 13)
    assert choose_series(series["thick"][0]).reason == ""


def test_a_scout_in_the_series_itself_is_no_slice_of_it(tmp_path):
    write_series(tmp_path, scan(), SeriesInstanceUID="1.2.8")
    sagittal = scan((9, 9, 2))
    sagittal.affine[:3, :3] = np.array([[0, 0, 3.0], [-2, 0, 0], [0, -2, 0]])
    write_series(tmp_path, sagittal, SeriesInstanceUID="1.2.8")
    np.testing.assert_array_equal(Volume.read(tmp_path).array, SCAN)


def test_a_copy_of_a_slice_is_left_out(tmp_path):
    files = write_series(tmp_path, scan())
    (tmp_path / "again").mkdir()
    for file in files[2:5]:
        shutil.copy(file, tmp_path / "again" / file.name)
    volume = Volume.read(tmp_path)
    np.testing.assert_array_equal(volume.array, SCAN)
    assert len(volume.source.files) == len(set(volume.source.instances)) == 9


def test_directions_rounded_here_and_there_are_one(tmp_path):
    """Every second slice by some 1e-5, across what two decimals would tell apart."""
    made = scan()
    sine, cosine = 0.125, np.sqrt(1 - 0.125**2)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[cosine, -sine], [sine, cosine]]
    made = Volume(SCAN, turn @ made.affine, "ct")
    write_series(
        tmp_path, made, ImageOrientationPatient=lambda k: [1, 0, 0, 0, round(cosine, 6), -sine - 1e-5 * (-1) ** k]
    )
    np.testing.assert_array_equal(Volume.read(tmp_path).array, SCAN)


@pytest.mark.parametrize("name", ["AAHead_Scout_32ch", "T/S/C FAST PILOT"])
def test_scouts_as_scanners_name_them(tmp_path, name):
    write_series(tmp_path, scan((7, 8, 11)), Modality="MR", SeriesDescription=name, SeriesNumber=1)
    write_series(tmp_path, scan(), Modality="MR", SeriesDescription="t1", SeriesNumber=2)
    assert choose_series(tmp_path).series.description == "t1"


def test_numbers_that_are_none(tmp_path):
    files = write_series(tmp_path, scan(), NumberOfFrames=None, SamplesPerPixel=None, SeriesNumber=77)
    for file in files:
        content = file.read_bytes()
        assert content.count(b"IS\x02\x0077") == 1
        file.write_bytes(content.replace(b"IS\x02\x0077", b"IS\x02\x00x7"))
    volume = Volume.read(tmp_path)
    assert volume.shape == SCAN.shape and volume.source.notes == ()


def test_a_series_without_number_or_place(tmp_path):
    write_series(tmp_path, scan(), SeriesNumber=None)
    write_series(tmp_path, scan(), ImagePositionPatient=None, SeriesNumber=2)
    assert Volume.read(tmp_path).shape == SCAN.shape
