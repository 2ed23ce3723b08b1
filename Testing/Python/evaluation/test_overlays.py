"""The slices on which a mask and its reference disagree."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.image import imread
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

from SATSegmentLib.imaging import Mask, Volume
from SATTrainingLib.evaluation.overlays import Overlay

SPACING = np.array([1.0, 1.5, 3.0])


def _masks():
    reference, prediction = np.zeros((2, 60, 50, 30), bool)
    reference[20:30, 20:30, 10:20] = True
    prediction[20:30, 20:30, 10:20] = True
    prediction[20:24, 22:28, 17] = False
    prediction[30:34, 25, 12] = True
    return prediction, reference


def _volume():
    image = np.random.default_rng(1).normal(0, 100, (60, 50, 30)).astype(np.float32)
    return Volume(image, np.diag([*SPACING, 1]), "ct")


def test_slices_are_those_of_the_greatest_disagreement():
    prediction, reference = _masks()
    overlay = Overlay.of(_volume(), Mask.of(prediction), Mask.of(reference))
    wrong = prediction ^ reference
    expected = [int(wrong.sum(axes).argmax()) for axes in ((0, 1), (0, 2), (1, 2))]
    assert [shown.title for shown in overlay.slices] == [
        f"{name} = {index}" for name, index in zip(("axial, k", "coronal, j", "sagittal, i"), expected, strict=True)
    ]
    axial = overlay.slices[0]
    assert (axial.prediction ^ axial.reference).sum() == wrong[:, :, 17].sum()
    assert axial.spacing == (1.0, 1.5)
    # 20 mm of image around the masks, right and anterior first
    assert axial.grey.shape == (10 + 2 * 14, 14 + 2 * 20)
    np.testing.assert_array_equal(axial.grey, _volume().array[:54, 6:44, 17].T[::-1, ::-1])


@pytest.mark.parametrize("codes", ["LPS", "SAR", "PIL"])
def test_the_picture_does_not_depend_on_how_the_voxels_are_stored(codes):
    volume, masks = _volume(), _masks()
    turn = ornt_transform(io_orientation(volume.affine), axcodes2ornt(codes))
    stored = Volume(apply_orientation(volume.array, turn), volume.affine @ inv_ornt_aff(turn, volume.shape), "ct")
    expected = Overlay.of(volume, *(Mask.of(mask) for mask in masks))
    overlay = Overlay.of(stored, *(Mask.of(np.ascontiguousarray(apply_orientation(mask, turn))) for mask in masks))
    for shown, wanted in zip(overlay.slices, expected.slices, strict=True):
        np.testing.assert_array_equal(shown.grey, wanted.grey)
        np.testing.assert_array_equal(shown.prediction, wanted.prediction)
        assert shown.spacing == pytest.approx(wanted.spacing)
        assert shown.sides == wanted.sides
    assert overlay.window == expected.window


def test_an_overlay_survives_its_file_and_shows_both_outlines(tmp_path):
    prediction, reference = _masks()
    overlay = Overlay.of(_volume(), Mask.of(prediction), Mask.of(reference))
    overlay.write(tmp_path / "a.npz")
    read = Overlay.read(tmp_path / "a.npz")
    assert read.png() == overlay.png()
    picture = imread(io.BytesIO(read.png()))[..., :3]
    for color in ((0, 0.816, 1), (1, 0.569, 0)):
        assert (np.abs(picture - color).max(-1) < 0.1).sum() > 50


def test_one_empty_mask_and_masks_at_the_border_are_shown():
    whole = np.ones((60, 50, 30), bool)
    overlay = Overlay.of(_volume(), Mask.empty((60, 50, 30)), Mask.of(whole))
    assert overlay.slices[0].reference.all()
    assert not overlay.slices[0].prediction.any()
    assert overlay.png().startswith(b"\x89PNG")
