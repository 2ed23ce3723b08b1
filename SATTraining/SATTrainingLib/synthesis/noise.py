"""Smooth random fields."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter


def smooth_noise(
    shape: Sequence[int], spacing: Sequence[float], scale: float, random: np.random.Generator
) -> np.ndarray:
    """Gaussian noise of mean 0 and standard deviation 1 whose patches are `scale` millimetres wide.

    Returns:
        float32 of `shape`.
    """
    step = np.maximum(scale / 2, spacing)
    coarse = tuple(max(2, int(np.ceil(n * s / t)) + 1) for n, s, t in zip(shape, spacing, step, strict=True))
    margin = 3  # so that the filter sees no border
    field = random.standard_normal([n + 2 * margin for n in coarse], dtype=np.float32)
    field = gaussian_filter(field, scale / 2 / step, mode="wrap", truncate=2.5)
    field /= field.std()
    field = field[tuple(slice(margin, -margin) for _ in coarse)]
    return enlarge(field[None], shape)[0]


def enlarge(fields: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Fields (n, R, A, S) at another shape, trilinear, corner voxels on corner voxels; float32."""
    fields = torch.from_numpy(np.ascontiguousarray(fields, np.float32))[None]
    return F.interpolate(fields, tuple(shape), mode="trilinear", align_corners=True)[0].numpy()
