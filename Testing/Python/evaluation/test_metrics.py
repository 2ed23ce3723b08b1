"""Dice and surface Dice of masks whose agreement is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics import compute_dice, compute_surface_dice
from scipy.ndimage import gaussian_filter

from SATTrainingLib.evaluation.metrics import scores


def _box(start, stop, shape=(40, 30, 20)):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = True
    return mask


def test_dice_is_monais():
    random = np.random.default_rng(1)
    for share in (0.001, 0.2, 0.9):
        masks = [random.random((20, 30, 10)) < share for _ in range(2)]
        expected = compute_dice(*(torch.from_numpy(mask)[None, None] for mask in masks), include_background=True)
        assert scores(*masks, (1, 1, 1))[0] == pytest.approx(float(expected), abs=1e-6)


def test_surface_dice_is_monais():
    random = np.random.default_rng(1)
    for spacing, tolerance in (((1.0, 1.0, 1.0), 1.0), ((0.8, 1.3, 3.0), 2.0), ((3.0, 0.5, 0.7), 0.6)):
        rough, shape = random.normal(size=(2, 30, 25, 20)), (30, 25, 20)
        masks = [gaussian_filter(field, 2) > 0.02 for field in (rough[0], rough[0] + 0.4 * rough[1])]
        assert all(0 < mask.sum() < np.prod(shape) for mask in masks)
        expected = compute_surface_dice(
            *(torch.from_numpy(mask)[None, None] for mask in masks),
            [tolerance],
            include_background=True,
            spacing=list(spacing),
            use_subvoxels=True,
        )
        assert 0.2 < float(expected) < 0.99
        assert scores(*masks, spacing, tolerance)[1] == pytest.approx(float(expected), abs=1e-5)


def test_empty_masks_count_as_in_sats_evaluation():
    empty, filled = np.zeros((9, 9, 9), bool), _box((2, 2, 2), (5, 5, 5), (9, 9, 9))
    assert scores(empty, empty, (1, 1, 1)) == (1, 1)
    assert scores(filled, empty, (1, 1, 1)) == (0, 0)
    assert scores(empty, filled, (1, 1, 1)) == (0, 0)
    assert scores(filled, filled, (1, 1, 1)) == (1, 1)


def test_surface_dice_is_the_share_of_surface_within_the_tolerance():
    """A slab 30 x 20 x 9 mm thick that is thickened by 3 mm on one broad side: that side is off, and a rim of it."""
    reference, prediction = _box((5, 5, 6), (35, 25, 9)), _box((5, 5, 6), (35, 25, 10))
    spacing = (1.0, 1.0, 3.0)
    broad, around = 30 * 20, 2 * (30 + 20)
    surfaces = 2 * (2 * broad) + around * (9 + 12)
    off, rim = 2 * broad, around * 3  # both tops; the prediction's sides beyond the reference, some of them within 1 mm
    dice, nsd = scores(prediction, reference, spacing, 1.0)
    assert dice == pytest.approx(2 * 3 / 7)
    assert 1 - (off + rim) / surfaces - 0.01 < nsd < 1 - off / surfaces + 0.01  # corners are cut
    assert scores(prediction, reference, spacing, 3.0)[1] == 1
    assert scores(prediction.transpose(2, 1, 0), reference.transpose(2, 1, 0), spacing[::-1], 1.0)[1] == nsd
    assert scores(prediction, reference, spacing[::-1], 1.0)[1] == 1  # 1 mm thicker only


def test_a_spacing_rounded_in_the_header_changes_nothing():
    reference, moved = _box((5, 5, 5), (20, 20, 15)), _box((6, 5, 5), (21, 20, 15))
    assert scores(moved, reference, (1.0, 1.0, 1.0), 1.0)[1] == 1
    assert scores(moved, reference, (1.0000012, 1.0, 1.0), 1.0)[1] == 1
    assert scores(moved, reference, (1.01, 1.0, 1.0), 1.0)[1] < 0.9


def test_a_mask_at_the_volumes_border_has_the_surface_it_has_elsewhere():
    inside = scores(_box((5, 5, 5), (15, 15, 10)), _box((5, 5, 5), (15, 15, 12)), (2, 2, 2), 1.0)
    assert scores(_box((0, 0, 0), (10, 10, 5)), _box((0, 0, 0), (10, 10, 7)), (2, 2, 2), 1.0) == inside
    assert scores(_box((30, 20, 15), (40, 30, 20)), _box((30, 20, 13), (40, 30, 20)), (2, 2, 2), 1.0) == inside
