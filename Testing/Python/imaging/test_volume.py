"""What is read, and what is refused in words."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging import Volume, modality_of_word

SCAN = np.random.default_rng(0).integers(-900, 900, (7, 8, 9)).astype(np.int16)
AFFINE = np.array([[-2.0, 0, 0, 10], [0, 0, 3.0, 20], [0, 1.5, 0, -30], [0, 0, 0, 1]])


def test_nifti_and_nrrd_of_the_same_scan_are_the_same_volume(tmp_path):
    nibabel.save(nibabel.Nifti1Image(SCAN, AFFINE), tmp_path / "scan.nii.gz")
    image = sitk.GetImageFromArray(SCAN.transpose(2, 1, 0))
    lps = np.diag([-1, -1, 1, 1]) @ AFFINE
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    for name in ("scan.nrrd", "scan.mha"):
        sitk.WriteImage(image, str(tmp_path / name))
        volume = Volume.read(tmp_path / name)
        np.testing.assert_array_equal(volume.array, SCAN)
        np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-6)
    volume = Volume.read(tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(volume.array, SCAN)
    np.testing.assert_allclose(volume.affine, AFFINE)
    assert volume.spacing == pytest.approx((2, 1.5, 3))


def test_nifti_scaling_is_applied(tmp_path):
    image = nibabel.Nifti1Image(SCAN.astype(np.float32), np.eye(4))
    image.header.set_data_dtype(np.int16)
    image.header.set_slope_inter(2.0, -100.0)
    nibabel.save(image, tmp_path / "scaled.nii")
    np.testing.assert_allclose(Volume.read(tmp_path / "scaled.nii").array, SCAN * 2.0 - 100)


@pytest.mark.parametrize(
    ("array", "affine", "message"),
    [
        (np.zeros((4, 4, 4, 2)), np.eye(4), "4 dimensions"),
        (np.zeros((4, 4, 1)), np.eye(4), "at least 2 along"),
        (np.full((4, 4, 4), np.nan), np.eye(4), "64 values that are not finite"),
        (np.full((4, 4, 4), np.inf), np.eye(4), "not finite"),
        (np.full((4, 4, 4), 1e39), np.eye(4), "not finite"),
        (np.zeros((4, 4, 4), complex), np.eye(4), "plain numbers"),
        (np.zeros((4, 4, 4)), np.diag([1.0, 1, 0, 1]), "cannot be inverted"),
        (np.zeros((4, 4, 4)), np.full((4, 4), np.nan), "no valid 4x4"),
        (np.zeros((4, 4, 4)), np.array([[1, 0.2, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), "sheared"),
    ],
)
def test_what_cannot_be_segmented_is_refused_in_words(array, affine, message):
    with pytest.raises(InputError, match=message):
        Volume(array, affine)


def test_rounded_headers_are_no_shear():
    affine = np.eye(4)
    affine[0, 1] = 1e-3
    assert Volume(np.zeros((4, 4, 4)), affine).shape == (4, 4, 4)


def test_files_that_cannot_be_read_are_refused_in_words(tmp_path):
    with pytest.raises(InputError, match="There is no file"):
        Volume.read(tmp_path / "none.nii")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match="of no kind that can be read"):
        Volume.read(tmp_path / "notes.txt")
    for name in ("broken.nii.gz", "broken.nrrd", "broken.mha", "broken.dcm"):
        (tmp_path / name).write_bytes(b"\x00\x01garbage")
        with pytest.raises(InputError):
            Volume.read(tmp_path / name)
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4, 3)), np.eye(4)), tmp_path / "four.nii")
    with pytest.raises(InputError, match="4 dimensions"):
        Volume.read(tmp_path / "four.nii")
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 4, 4, 3)), isVector=True), str(tmp_path / "rgb.nrrd"))
    with pytest.raises(InputError, match="3 values a voxel"):
        Volume.read(tmp_path / "rgb.nrrd")


def test_a_truncated_file_is_refused(tmp_path, chest_ct):
    data = chest_ct.read_bytes()
    (tmp_path / "cut.nrrd").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="cannot be read"):
        Volume.read(tmp_path / "cut.nrrd")


def test_modality_is_guessed_told_by_words_and_refused_where_unknown(chest_ct):
    assert Volume.read(chest_ct).modality == "ct"
    assert Volume(np.arange(64).reshape(4, 4, 4), np.eye(4)).modality == "mri"
    words = {"T1w": "mri", "FLAIR": "mri", "CT": "ct", "PET/CT": "pet", "us": "us", "Ultrasound": "us", "dwi": "mri"}
    assert {word: modality_of_word(word) for word in words} == words
    with pytest.raises(InputError, match="no modality"):
        modality_of_word("x-ray")


def test_the_content_hash_knows_content_and_place_not_names():
    volume = Volume(SCAN, AFFINE, "ct", "a")
    assert Volume(SCAN.copy(order="F"), AFFINE, "ct", "b").content_hash == volume.content_hash
    assert Volume(SCAN + 1, AFFINE, "ct").content_hash != volume.content_hash
    assert Volume(SCAN, AFFINE + 1e-3, "ct").content_hash != volume.content_hash
    assert Volume(SCAN, AFFINE, "mri").content_hash != volume.content_hash
