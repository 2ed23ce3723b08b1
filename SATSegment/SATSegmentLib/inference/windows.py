"""The sliding window: where windows lie and how their results are weighted, as published."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Window:
    """A window's part of an image.

    Attributes:
        start: Its first voxel.
        shape: Its voxels inside the image; less than a full window where the image is smaller.
    """

    start: Shape
    shape: Shape

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Of the image."""
        return tuple(slice(a, a + n) for a, n in zip(self.start, self.shape, strict=True))


def starts(length: int, window: int) -> list[int]:
    """First voxels of the windows along one axis: half a window apart, the last moved back to the end."""
    count = max(math.ceil(length / (window / 2)) - 1, 1)
    return [max(min(i * window // 2, length - window), 0) for i in range(count)]


def layout(image: Shape, window: Shape) -> list[Window]:
    """All windows of an image, the last axis outermost, so that slices along it finish one after another."""
    shape = tuple(min(n, w) for n, w in zip(image, window, strict=True))
    axes = [starts(n, w) for n, w in zip(image, window, strict=True)]
    return [Window((i, j, k), shape) for k, i, j in product(axes[2], axes[0], axes[1])]


def gaussian_weight(window: Shape) -> Tensor:
    """Weight of a window's voxels, float32: sigma an eighth of the window, maximum 10, rounded to half
    precision, never zero."""
    axes = []
    for n in window:
        distance = torch.arange(n, dtype=torch.float64) - n // 2
        axes.append(torch.exp(-0.5 * (distance / (n / 8)) ** 2))
    weight = (10 * axes[0][:, None, None] * axes[1][:, None] * axes[2]).half()
    weight[weight == 0] = weight[weight > 0].min()
    return weight.float()
