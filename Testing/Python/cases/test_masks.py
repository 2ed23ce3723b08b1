"""Masks on their image's grid, whatever file they are in."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import slicerio

from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging import Volume
from SATTrainingLib.cases import Case, Label, read_cases
from SATTrainingLib.cases.masks import layers_of, read_grid, read_layers, segments_of

DATA = Path(slicerio.__file__).parent / "data"
AFFINE = np.array([[0, -1.5, 0, 10], [2, 0, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1.0]])
SHAPE = (6, 7, 8)


def _save(path, array, affine=AFFINE):
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


@pytest.fixture
def mask():
    return np.random.default_rng(0).integers(0, 4, SHAPE).astype(np.uint8)


@pytest.fixture
def case(tmp_path, mask):
    image = _save(tmp_path / "image.nii.gz", np.zeros(SHAPE, np.int16))
    return Case("c", image, _save(tmp_path / "mask.nii.gz", mask), (Label("x", 1),), "ct", "d")


def _with(case, mask, layer=0):
    return Case(case.id, case.image, mask, (Label("x", 1, layer),), case.modality, case.dataset)


def test_one_label_map_is_one_layer(case, mask):
    layers, affine = read_layers(case)
    assert np.array_equal(layers, mask[..., None])
    assert np.allclose(affine, AFFINE)


def test_a_real_segmentation_of_overlapping_segments(chest_ct):
    file = DATA / "SegmentationOverlapping.seg.nrrd"
    labels = segments_of(file)
    layers, affine = read_layers(Case("c", chest_ct, file, labels, "ct", "d"))
    shape, own = read_grid(chest_ct)
    assert layers.shape == (*shape, 2)
    assert layers_of(file) == 2
    assert np.allclose(affine, own)
    voxels, header = slicerio.read_segmentation(str(file)), segments_of(DATA / "Segmentation.seg.nrrd")
    for label in labels:
        assert np.array_equal(layers[..., label.layer] == label.value, voxels["voxels"][label.layer] == label.value)
    lung = next(label for label in labels if label.name == "right lung")
    assert lung.code == "SCT^39607008~SCT^24028007"
    assert labels[:-1] == header
    assert labels[-1].layer == 1


def test_a_mask_turned_and_cropped_comes_back_in_place(case, mask, tmp_path):
    whole = nibabel.Nifti1Image(mask, AFFINE)
    for codes in ("LPS", "SAR", "PIR"):
        turn = nibabel.orientations.ornt_transform(
            nibabel.orientations.io_orientation(AFFINE), nibabel.orientations.axcodes2ornt(codes)
        )
        turned = whole.as_reoriented(turn)
        cut = turned.slicer[1:4, 2:, :-1]
        nibabel.save(turned, tmp_path / "turned.nii.gz")
        nibabel.save(cut, tmp_path / "cut.nii.gz")
        assert np.array_equal(read_layers(_with(case, tmp_path / "turned.nii.gz"))[0][..., 0], mask)
        kept = np.zeros(turned.shape, bool)
        kept[1:4, 2:, :-1] = True
        back = nibabel.Nifti1Image(kept.astype(np.uint8), turned.affine)
        back = back.as_reoriented(
            nibabel.orientations.ornt_transform(nibabel.io_orientation(back.affine), nibabel.io_orientation(AFFINE))
        )
        expected = np.where(np.asarray(back.dataobj) > 0, mask, 0)
        assert np.array_equal(read_layers(_with(case, tmp_path / "cut.nii.gz"))[0][..., 0], expected)


def test_a_mask_larger_than_the_image_is_cut_to_it(case, mask, tmp_path):
    larger = np.pad(mask, ((2, 1), (0, 3), (1, 0)), constant_values=9)
    moved = AFFINE.copy()
    moved[:3, 3] = AFFINE[:3] @ (-2, 0, -1, 1)
    assert np.array_equal(read_layers(_with(case, _save(tmp_path / "l.nii.gz", larger, moved)))[0][..., 0], mask)


@pytest.mark.parametrize("first", [True, False])
def test_layers_come_first_or_last(case, mask, tmp_path, first):
    layers = np.stack([mask == value for value in range(1, 4)], 0 if first else 3).astype(np.uint8)
    file = _save(tmp_path / "layers.nii.gz", layers)
    assert layers_of(file) == 3
    read, _ = read_layers(_with(case, file, 2))
    assert np.array_equal(read[..., 2], mask == 3)
    with pytest.raises(InputError, match=r"has 3 layers.*layer 4"):
        read_layers(_with(case, file, 3))


def test_whole_numbers_are_read_from_any_type_and_file(case, mask, tmp_path):
    image = sitk.GetImageFromArray(mask.transpose(2, 1, 0).astype(np.int32))
    ijk = np.diag([-1, -1, 1, 1]) @ AFFINE
    spacing = np.linalg.norm(ijk[:3, :3], axis=0)
    image.SetSpacing(spacing)
    image.SetDirection((ijk[:3, :3] / spacing).ravel())
    image.SetOrigin(ijk[:3, 3])
    for name in ("m.nrrd", "m.mha"):
        sitk.WriteImage(image, tmp_path / name)
        assert np.array_equal(read_layers(_with(case, tmp_path / name))[0][..., 0], mask)
    floats = _save(tmp_path / "f.nii.gz", mask.astype(np.float32))
    assert read_layers(_with(case, floats))[0].dtype.kind == "i"
    with pytest.raises(InputError, match="fractions"):
        read_layers(_with(case, _save(tmp_path / "g.nii.gz", mask + np.float32(0.25))))
    with pytest.raises(InputError, match="holds values of 3e"):
        read_layers(_with(case, _save(tmp_path / "h.nii.gz", mask * 1e12)))


@pytest.mark.parametrize("change", ["moved half a voxel", "coarser", "turned a little"])
def test_a_mask_off_the_grid_is_refused(case, mask, tmp_path, change):
    affine = AFFINE.copy()
    if change == "moved half a voxel":
        affine[:3, 3] += AFFINE[:3, 0] / 2
    elif change == "coarser":
        affine[:3, :3] *= 1.1
    else:
        affine[:2, :2] = [[0.1, -1.5], [2, 0.1]]
    with pytest.raises(InputError, match=r"c: the mask is not on the image's grid.*6 x 7 x 8 voxels.*resample"):
        read_layers(_with(case, _save(tmp_path / "off.nii.gz", mask, affine)))


def test_what_is_no_mask_is_refused(case, tmp_path):
    (tmp_path / "m.png").write_bytes(b"")
    (tmp_path / "m.nii.gz").write_bytes(b"nothing")
    (tmp_path / "m.nrrd").write_bytes(b"nothing")
    for name in ("m.png", "m.nii.gz", "m.nrrd", "gone.nii.gz"):
        with pytest.raises(InputError, match=name):
            read_layers(_with(case, tmp_path / name))
    several = Case("c", _save(tmp_path / "i4.nii.gz", np.zeros((*SHAPE, 2), np.int16)), case.mask, (), "ct", "d")
    with pytest.raises(InputError, match="Extract a single frame"):
        read_layers(several)


def test_the_real_cases_are_read_as_they_are(shared):
    for case in read_cases(shared / "data" / "cases.jsonl")[-3:]:
        layers, affine = read_layers(case)
        mask = nibabel.load(case.mask)
        assert np.array_equal(layers[..., 0], np.asarray(mask.dataobj))
        assert np.allclose(affine, mask.affine, atol=1e-3)


def test_colours_are_no_mask(case, tmp_path):
    colours = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(InputError, match=r"c\.nii\.gz holds .* so it is no mask"):
        read_layers(_with(case, _save(tmp_path / "c.nii.gz", colours)))


def test_an_image_that_cannot_be_trained_on_is_told_by_its_header(tmp_path):
    flat = nibabel.Nifti1Image(np.zeros(SHAPE, np.int16), None)
    flat.header.set_sform(np.diag([0, 0, 0, 1.0]), 1)
    flat.to_filename(tmp_path / "flat.nii.gz")
    sheared = AFFINE + 0.0
    sheared[0, 2] = 1
    colours = sitk.Image([6, 7, 8], sitk.sitkVectorUInt8, 3)
    sitk.WriteImage(colours, tmp_path / "colours.nrrd")
    _save(tmp_path / "sheared.nii.gz", np.zeros(SHAPE, np.int16), sheared)
    _save(tmp_path / "slice.nii.gz", np.zeros((6, 7, 1), np.int16))
    _save(tmp_path / "frames.nii.gz", np.zeros((*SHAPE, 1, 1), np.int16))
    for name, message in (
        ("flat.nii.gz", "cannot be inverted"),
        ("sheared.nii.gz", "is sheared"),
        ("colours.nrrd", "4 dimensions"),
        ("slice.nii.gz", "6 x 7 x 1 voxels"),
        ("frames.nii.gz", "5 dimensions"),
    ):
        with pytest.raises(InputError, match=f"{name} .*{message}"):
            read_grid(tmp_path / name)
        with pytest.raises(InputError):
            Volume.read(tmp_path / name)
    assert read_grid(_save(tmp_path / "one.nii.gz", np.zeros((*SHAPE, 1), np.int16)))[0] == SHAPE
