"""A small network with random weights, and a volume for it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from SATSegmentLib.imaging import Volume
from SATSegmentLib.network import SAT, SATConfig

SMALL = dataclasses.replace(
    SATConfig.named("tiny"),
    features=(8, 12, 16),
    query_width=24,
    text_width=24,
    heads=2,
    window=(16, 16, 8),
    layers=2,
    mid_mask_hidden=(16,),
    spacing=(2.0, 2.0, 3.0),
)


@pytest.fixture
def network() -> SAT:
    torch.manual_seed(3)
    return SAT(SMALL).eval()


@pytest.fixture
def queries() -> torch.Tensor:
    return 3 * torch.randn(5, 24, generator=torch.Generator().manual_seed(5))


def make_volume(seed: int = 0, shape=(30, 26, 22)) -> Volume:
    """An oblique, flipped CT of smooth noise."""
    random = np.random.default_rng(seed)
    coarse = torch.from_numpy(random.normal(200, 500, (1, 1, 6, 6, 6)))
    array = torch.nn.functional.interpolate(coarse, shape, mode="trilinear")[0, 0].numpy()
    turn = np.array([[-0.96, 0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([1.6, 1.9, 2.4])
    affine[:3, 3] = (30, -20, 10)
    return Volume(array.astype(np.int16), affine, "ct")


@pytest.fixture
def volume() -> Volume:
    return make_volume()
