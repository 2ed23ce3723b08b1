"""What a training window goes through: zoom, rotation, noise, contrast, thick slices."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from monai.transforms import (
    Compose,
    RandAdjustContrast,
    RandGaussianNoise,
    RandGaussianSharpen,
    RandGaussianSmooth,
    RandScaleIntensity,
    RandShiftIntensity,
)
from scipy.spatial.transform import Rotation
from torch import Tensor

_INTENSITIES = Compose(
    [
        RandGaussianSmooth(prob=0.1, sigma_x=(0.3, 0.8), sigma_y=(0.3, 0.8), sigma_z=(0.3, 0.8)),
        RandGaussianSharpen(prob=0.1),
        RandAdjustContrast(prob=0.3, gamma=(0.7, 1.5), retain_stats=True),
        RandScaleIntensity(prob=0.5, factors=0.2),
        RandShiftIntensity(prob=0.5, offsets=0.2),
        RandGaussianNoise(prob=0.3, std=0.15),
    ]
)


def draw_zoom_and_rotation(random: np.random.Generator) -> np.ndarray:
    """A 3x3 matrix from window to volume: zoom 0.75 to 1.35 (p 0.5), tilts up to 12 degrees (p 0.4).

    There is no flip: left and right are different terms.
    """
    matrix = np.eye(3)
    if random.random() < 0.4:
        matrix = Rotation.from_euler("xyz", random.uniform(-12, 12, 3), degrees=True).as_matrix()
    if random.random() < 0.5:
        matrix = matrix * random.uniform(0.75, 1.35) * random.uniform(0.93, 1.07, 3)
    return matrix


def augment_intensities(image: Tensor, random: np.random.Generator) -> Tensor:
    """MONAI's intensity transforms, and thick slices (p 0.25), on (1, H, W, D)."""
    if random.random() < 0.25:
        factor = int(random.integers(2, 5))
        thick = F.avg_pool3d(image[None], (1, 1, factor), ceil_mode=True)
        image = F.interpolate(thick, image.shape[1:], mode="trilinear")[0]
    _INTENSITIES.set_random_state(seed=int(random.integers(2**31)))
    return _INTENSITIES(image).as_tensor()
