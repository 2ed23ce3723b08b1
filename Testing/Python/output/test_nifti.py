import nibabel
import numpy as np
import pytest

from SATSegmentLib.errors import InputError, SATError
from SATSegmentLib.imaging import Mask, Volume
from SATSegmentLib.output import Segment, check_targets, mask_paths, nifti, write_label_map, write_masks


def check_geometry(image, volume):
    np.testing.assert_array_equal(image.affine, volume.affine.astype(np.float32))
    np.testing.assert_allclose(image.get_qform(), volume.affine, atol=1e-4)
    assert image.header["sform_code"] == image.header["qform_code"] == 1
    assert image.header.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize("name", ["out.nii.gz", "out.nii"])
def test_a_label_map_comes_back(tmp_path, chest, chest_segments, name):
    write_label_map(tmp_path / name, chest, chest_segments)
    image = nibabel.load(tmp_path / name)
    check_geometry(image, chest)
    labels = np.asarray(image.dataobj)
    assert labels.dtype == np.uint8
    for label, segment in enumerate(chest_segments, 1):
        np.testing.assert_array_equal(labels == label, segment.mask.array)


def test_a_label_map_of_an_oblique_grid(tmp_path, oblique, make_segment):
    array = np.random.default_rng(1).random(oblique.shape) > 0.5
    write_label_map(tmp_path / "out.nii.gz", oblique, [make_segment("a", array), make_segment("b", ~array)])
    image = nibabel.load(tmp_path / "out.nii.gz")
    check_geometry(image, oblique)
    np.testing.assert_array_equal(np.asarray(image.dataobj), np.where(array, 1, 2))


def test_no_segments_give_an_empty_label_map(tmp_path, oblique):
    write_label_map(tmp_path / "out.nii.gz", oblique, [])
    assert not np.asarray(nibabel.load(tmp_path / "out.nii.gz").dataobj).any()


def test_more_than_255_labels(tmp_path, make_segment):
    volume = Volume(np.zeros((8, 8, 5)), np.eye(4), "ct")
    entry = make_segment("a", np.ones((1, 1, 1))).entry
    masks = [Mask(volume.shape, (n // 40, n // 5 % 8, n % 5), np.ones((1, 1, 1), bool)) for n in range(320)]
    write_label_map(tmp_path / "out.nii.gz", volume, [Segment("a", mask, entry) for mask in masks])
    labels = np.asarray(nibabel.load(tmp_path / "out.nii.gz").dataobj)
    assert labels.dtype == np.uint16
    np.testing.assert_array_equal(labels.ravel(), np.arange(1, 321))


def test_an_overlap_is_refused_by_name(tmp_path, chest, overlapping_segments):
    with pytest.raises(InputError, match=r"overlap.*\.seg\.nrrd") as error:
        write_label_map(tmp_path / "out.nii.gz", chest, overlapping_segments)
    assert any(segment.name in str(error.value) for segment in overlapping_segments)
    assert not list(tmp_path.iterdir())


def test_masks_come_back(tmp_path, chest, overlapping_segments):
    write_masks(tmp_path, chest, overlapping_segments)
    paths = mask_paths(tmp_path, [segment.name for segment in overlapping_segments])
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert paths[4].name == "right_lung.nii.gz"
    for path, segment in zip(paths, overlapping_segments, strict=True):
        image = nibabel.load(path)
        check_geometry(image, chest)
        np.testing.assert_array_equal(np.asarray(image.dataobj), segment.mask.array.astype(np.uint8))


def test_existing_masks_are_found_beforehand(tmp_path, chest, chest_segments):
    paths = mask_paths(tmp_path, [segment.name for segment in chest_segments])
    check_targets(paths, overwrite=False)
    paths[3].touch()
    with pytest.raises(InputError, match="lumbar_vertebral_column"):
        check_targets(paths, overwrite=False)


def test_file_names_are_safe_and_unique(tmp_path):
    names = ["Left Lung", "left/lung", "left_lung_2", "../../étage", "肺", "", "x" * 300]
    found = [path.name.removesuffix(".nii.gz") for path in mask_paths(tmp_path, names)]
    assert found == ["left_lung", "left_lung_2", "left_lung_2_2", "etage", "segment", "segment_2", "x" * 100]


def test_masks_are_written_all_or_none(tmp_path, chest, chest_segments, monkeypatch):
    first = mask_paths(tmp_path, [segment.name for segment in chest_segments])[0]
    first.write_text("old")
    save, done = nifti._save, []

    def fail_at_third(path, *args):
        if len(done) == 2:
            raise OSError("device gone")
        done.append(save(path, *args))

    monkeypatch.setattr(nifti, "_save", fail_at_third)
    with pytest.raises(SATError, match="device gone"):
        write_masks(tmp_path, chest, chest_segments)
    assert list(tmp_path.iterdir()) == [first]
    assert first.read_text() == "old"
