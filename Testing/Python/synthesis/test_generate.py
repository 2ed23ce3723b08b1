"""Pictures of labelled bodies: what is where, how bright it is, and that the same draw gives the same."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion

from SATSegmentLib.errors import SATError
from SATTrainingLib.synthesis import TissueMap, generate
from SATTrainingLib.synthesis.bodies import read_body
from SATTrainingLib.synthesis.deformation import random_displacement, sample

LEFT, RIGHT, LIVER, MUSCLE, FAT = 1, 2, 3, 4, 9


@pytest.fixture(scope="module")
def body() -> TissueMap:
    """A trunk of 380 x 260 x 600 mm with two lungs above a liver; its muscle and fat are not annotated."""
    r, a, s = np.meshgrid(*[np.arange(n) * 4.0 for n in (111, 81, 151)], indexing="ij")
    r, a = r - 220, a - 160
    values = np.zeros(r.shape, np.int16)
    values[(r / 190) ** 2 + (a / 130) ** 2 < 1] = FAT
    values[(r / 170) ** 2 + (a / 110) ** 2 < 1] = MUSCLE
    inside = (r / 140) ** 2 + (a / 90) ** 2 < 1
    values[inside & (s > 300) & (s < 540) & (r < -25)] = LEFT
    values[inside & (s > 300) & (s < 540) & (r > 25)] = RIGHT
    values[inside & (s > 150) & (s < 280) & (r > -20)] = LIVER
    tissues = {LEFT: "lung", RIGHT: "lung", LIVER: "liver", MUSCLE: "muscle", FAT: "fat"}
    labels = {LEFT: "left lung", RIGHT: "right lung", LIVER: "liver", 70: "spleen"}
    return TissueMap("trunk", "made", values, (4.0, 4.0, 4.0), tissues, labels, ("ct", "mri"))


@pytest.fixture(scope="module")
def pictures(body):
    """Four CT volumes with their labels and spacings."""
    return [generate(body, np.random.default_rng(seed), "ct") for seed in range(4)]


def test_the_same_draw_gives_the_same_picture(body, pictures):
    image, labels, spacing = generate(body, np.random.default_rng(3), "ct")
    assert np.array_equal(image, pictures[3][0])
    assert np.array_equal(labels, pictures[3][1])
    assert spacing == pictures[3][2]
    assert len({labels.shape for _, labels, _ in pictures}) == 4


def test_structures_have_their_hounsfield_units_where_their_labels_are(pictures):
    seen = 0
    for image, labels, _ in pictures:
        assert image.dtype == np.float32
        assert image.shape == labels.shape
        lungs = (labels == LEFT) | (labels == RIGHT)
        for mask, low, high in ((lungs, -950, -600), (labels == LIVER, 25, 160)):
            inner = binary_erosion(mask, iterations=3)
            if inner.sum() > 100:
                seen += 1
                assert low < image[inner].mean() < high
        far = image[~binary_dilation(labels > 0, iterations=3)]
        assert not ((far > -850) & (far < -600)).mean() > 0.05  # only lungs are so dark within the body
    assert seen > 4


def test_left_stays_left_and_what_is_not_annotated_has_no_label(pictures):
    both = 0
    for _, labels, _ in pictures:
        assert set(np.unique(labels)) <= {0, LEFT, RIGHT, LIVER}
        left, right = (np.argwhere(labels == value) for value in (LEFT, RIGHT))
        if len(left) and len(right):
            both += 1
            assert left.mean(0)[0] < right.mean(0)[0]
            assert abs(left.mean(0)[2] - right.mean(0)[2]) < labels.shape[2] / 4
    assert both > 1


def test_parts_of_a_long_body_are_seen_in_voxels_of_a_scanner(body, pictures):
    heights = []
    for _, labels, spacing in pictures:
        assert labels.any()
        assert 1.9 < spacing[0] == spacing[1] < 3
        assert 1.9 < spacing[2] <= 6
        heights.append(labels.shape[2] * spacing[2])
    assert 100 < min(heights) < 350
    assert max(heights) < 600 * 1.2
    assert any(LIVER not in labels or LEFT not in labels for _, labels, _ in pictures)


def test_mri_has_no_unit_and_a_dark_background(body):
    brightness = []
    for seed in range(2):
        image, labels, _ = generate(body, np.random.default_rng(seed), "mri")
        assert np.isfinite(image).all()
        assert image.min() >= 0
        corner = image[:4, -4:].mean()
        assert corner < 0.15 * np.percentile(image, 99)
        brightness.append(image[labels == LIVER].mean() / image.mean() if (labels == LIVER).any() else 0)
    assert np.std(brightness) > 0.1  # of the same tissue


def test_a_body_without_annotated_structures_is_refused(body):
    unseen = dataclasses.replace(body, labels={70: "spleen"})
    with pytest.raises(SATError, match="trunk"):
        generate(unseen, np.random.default_rng(0), "ct")


def test_shapes_change_without_folding():
    for seed in range(5):
        extent = np.array([300.0, 200.0, 240.0])
        moved = random_displacement(extent, 600, np.random.default_rng(seed))
        steps = extent / (np.array(moved.shape[1:]) - 1)
        jacobian = np.stack([np.stack(np.gradient(moved[i], *steps)) for i in range(3)])
        jacobian += np.eye(3)[:, :, None, None, None]
        assert np.linalg.det(np.moveaxis(jacobian, (0, 1), (-2, -1))).min() > 0.1
        assert 2 < np.abs(moved).max() < 40


def test_sampling_takes_the_nearest_voxel_and_repeats_the_last():
    values = np.arange(4 * 5 * 6, dtype=np.int32).reshape(4, 5, 6)
    still = np.zeros((3, 3, 3, 3), np.float32)
    same = sample(values, (2, 2, 3), (3, 4, 7.5), values.shape, (2, 2, 3), np.eye(3), still)
    assert np.array_equal(same, values)
    # 2 mm along R: what lies at 4 mm now lies at 2 mm
    still[0] = 2
    moved = sample(values, (2, 2, 3), (3, 4, 7.5), values.shape, (2, 2, 3), np.eye(3), still)
    assert np.array_equal(moved[:3], values[1:])
    assert np.array_equal(moved[3], values[3])


def test_a_real_head(shared):
    head = read_body("synthseg", shared / "data" / "labelmaps" / "synthseg" / "training_seg_01.nii.gz")
    _, labels, spacing = generate(head, np.random.default_rng(1), "mri")
    left, right = (np.argwhere(labels == value).mean(0) for value in (2, 41))  # white matter of both sides
    assert left[0] < right[0]
    assert len(np.unique(labels)) > 20
    assert min(spacing) < 1.9
