"""The sliding window."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from SATSegmentLib.inference.windows import gaussian_weight, layout, starts


@pytest.mark.parametrize(
    ("length", "window", "expected"),
    [
        (96, 96, [0]),
        (40, 96, [0]),
        (97, 96, [0, 1]),
        (124, 96, [0, 28]),
        (144, 96, [0, 48]),
        (145, 96, [0, 48, 49]),
        (350, 288, [0, 62]),
        (110, 96, [0, 14]),
    ],
)
def test_windows_start_half_a_window_apart_and_the_last_is_moved_back(length, window, expected):
    assert starts(length, window) == expected


@given(st.tuples(*[st.integers(1, 60)] * 3), st.sampled_from([(16, 16, 8), (8, 12, 24)]))
def test_windows_cover_every_voxel_and_stay_inside_ordered_by_slices(image, window):
    covered = np.zeros(image, bool)
    windows = layout(image, window)
    for w in windows:
        assert all(a + n <= size for a, n, size in zip(w.start, w.shape, image, strict=True))
        covered[w.slices] = True
    assert covered.all()
    assert [w.start[2] for w in windows] == sorted(w.start[2] for w in windows)


def test_the_weight_is_a_gaussian_of_an_eighth_with_maximum_10_in_half_precision():
    weight = gaussian_weight((96, 96, 32))
    assert weight[48, 48, 16] == weight.max() == 10
    assert weight.min() > 0
    assert weight[60, 48, 16] == pytest.approx(10 * np.exp(-0.5), rel=1e-3)  # one sigma: 12 voxels
    assert weight[48, 48, 20] == pytest.approx(10 * np.exp(-0.5), rel=1e-3)
    assert torch.equal(weight, weight.half().float())
    assert weight[0, 0, 0] == weight.min()
