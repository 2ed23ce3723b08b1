"""What a training window goes through: zoom, rotation, noise, contrast, thick slices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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


@dataclass(frozen=True)
class Augmentation:
    """Ranges, and the probability of each change. There is no flip: left and right are different terms.

    The values here are those the built-in model was trained with: it has few scans to learn from.

    Attributes:
        zoom: Least and most millimetres of the volume a millimetre of the window.
        stretch: Further change of each axis by itself: 0.07 means by up to 7 %.
        tilt: Degrees about each axis at most.
        thick: Slices averaged at most, so that thin slices look like thick ones.
        gamma: Least and most exponent of the contrast.
        scale, shift: Most change of the intensities, as a share, and in standard deviations.
        noise: Standard deviation at most.
    """

    zoom: tuple[float, float] = (0.75, 1.35)
    stretch: float = 0.07
    zoom_probability: float = 0.5
    tilt: float = 12.0
    tilt_probability: float = 0.4
    thick: int = 4
    thick_probability: float = 0.25
    smooth_probability: float = 0.1
    sharpen_probability: float = 0.1
    gamma: tuple[float, float] = (0.7, 1.5)
    gamma_probability: float = 0.3
    scale: float = 0.2
    scale_probability: float = 0.5
    shift: float = 0.2
    shift_probability: float = 0.5
    noise: float = 0.15
    noise_probability: float = 0.3

    @classmethod
    def published(cls) -> Augmentation:
        """What SAT was trained with; the paper tells a probability for the zoom only, the others are taken alike."""
        return cls(
            zoom=(0.7, 1.4),
            stretch=0.0,
            zoom_probability=0.2,
            tilt_probability=0.0,
            thick_probability=0.0,
            smooth_probability=0.0,
            sharpen_probability=0.2,
            gamma_probability=0.2,
            scale_probability=0.2,
            shift_probability=0.0,
            noise_probability=0.2,
        )

    def draw_matrix(self, random: np.random.Generator) -> np.ndarray | None:
        """3x3, millimetres of the window to millimetres of the volume, or None where nothing is turned or zoomed."""
        turned, zoomed = random.random() < self.tilt_probability, random.random() < self.zoom_probability
        if not turned and not zoomed:
            return None
        matrix = np.eye(3)
        if turned:
            matrix = Rotation.from_euler("xyz", random.uniform(-self.tilt, self.tilt, 3), degrees=True).as_matrix()
        if zoomed:
            matrix = matrix * random.uniform(*self.zoom) * random.uniform(1 - self.stretch, 1 + self.stretch, 3)
        return matrix

    def change_intensities(self, image: Tensor, random: np.random.Generator) -> Tensor:
        """Thick slices (along the last axis) and MONAI's intensity transforms, on (1, H, W, D), float32."""
        if random.random() < self.thick_probability:
            factor = int(random.integers(2, self.thick + 1))
            thick = F.avg_pool3d(image[None], (1, 1, factor), ceil_mode=True)
            image = F.interpolate(thick, image.shape[1:], mode="trilinear")[0]
        self._intensities.set_random_state(seed=int(random.integers(2**31)))
        return self._intensities(image).as_tensor()

    @cached_property
    def _intensities(self) -> Compose:
        little = {f"sigma_{axis}": (0.3, 0.8) for axis in "xyz"}  # voxels
        return Compose(
            [
                RandGaussianSmooth(prob=self.smooth_probability, **little),
                RandGaussianSharpen(prob=self.sharpen_probability),
                RandAdjustContrast(prob=self.gamma_probability, gamma=self.gamma, retain_stats=True),
                RandScaleIntensity(prob=self.scale_probability, factors=self.scale),
                RandShiftIntensity(prob=self.shift_probability, offsets=self.shift),
                RandGaussianNoise(prob=self.noise_probability, std=self.noise),
            ]
        )
