"""What a scanner makes of a body: voxels, blur, noise, and in MRI uneven brightness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from .noise import smooth_noise

_FINEST, _COARSEST = 1.0, 2.2  # millimetres in plane, of heads and of torsos
_ACROSS = 180  # voxels in plane, about
_SLICES = ((1.0, 3.0), (3.0, 6.0))  # millimetres; thin ones as often as thick ones
_OTHER_PLANE = 0.25  # of MRI in coronal or sagittal slices
_COIL = 180.0  # millimetres over which MRI's brightness changes
_TABLE = 0.6  # of CT
_WIDE = 400.0  # millimetres; wider bodies have no more noise


@dataclass(frozen=True)
class Voxels:
    """A picture's voxels.

    Attributes:
        spacing: Millimetres along (R, A, S).
        shape: Of the picture.
        parts: Along each axis, samples a voxel is the mean of; odd, so that one lies in its middle.
    """

    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]
    parts: tuple[int, int, int]

    @classmethod
    def draw(cls, size: Sequence[float], modality: str, random: np.random.Generator) -> Voxels:
        """Voxels that fill `size` millimetres."""
        finest = np.clip(max(size[:2]) / _ACROSS, _FINEST, _COARSEST)
        spacing = np.full(3, finest * random.uniform(1.0, 1.3))
        across = int(random.integers(2)) if modality == "mri" and random.random() < _OTHER_PLANE else 2
        thickness = max(random.uniform(*_SLICES[random.integers(2)]), finest)
        parts = [1, 1, 1]
        parts[across] = 2 * round((thickness / spacing[across] - 1) / 2) + 1
        spacing[across] = thickness
        spacing = np.round(spacing, 3)
        shape = [max(8, int(length / step)) for length, step in zip(size, spacing, strict=True)]
        return cls(tuple(spacing.tolist()), tuple(shape), tuple(parts))

    @property
    def sample_spacing(self) -> tuple[float, ...]:
        """Millimetres between samples."""
        return tuple(step / n for step, n in zip(self.spacing, self.parts, strict=True))

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Samples along each axis."""
        return tuple(length * n for length, n in zip(self.shape, self.parts, strict=True))

    def mean(self, samples: np.ndarray) -> np.ndarray:
        """Samples to voxels."""
        split = [n for pair in zip(self.shape, self.parts, strict=True) for n in pair]
        return samples.reshape(split).mean((1, 3, 5))

    def middle(self, samples: np.ndarray) -> np.ndarray:
        """The sample in the middle of each voxel."""
        return samples[tuple(slice(n // 2, None, n) for n in self.parts)]


def blur(samples: np.ndarray, voxels: Voxels, random: np.random.Generator) -> np.ndarray:
    """What a scanner's resolution leaves, of samples; float32."""
    width = random.uniform(0.4, 0.75)
    return gaussian_filter(samples, [width / n for n in voxels.parts] if max(voxels.parts) > 1 else width, truncate=3)


def lay_on_table(samples: np.ndarray, body: np.ndarray, spacing: Sequence[float], random: np.random.Generator) -> None:
    """Lays the body on a CT table, most times: a thin curved shell with foam in it, written into the air of `samples`.

    Args:
        samples: (R, A, S) Hounsfield units.
        body: Where there is no air around the body.
        spacing: Millimetres.
        random: Where the table's height and form are drawn from.
    """
    behind = np.flatnonzero(body.any((0, 2)))
    if random.random() > _TABLE or not behind.size:
        return
    across = (np.arange(samples.shape[0]) - samples.shape[0] / 2) * spacing[0]
    top = behind[0] * spacing[1] - random.uniform(2, 15) + random.uniform(0, 0.0012) * across**2
    depth = top[:, None] - np.arange(samples.shape[1]) * spacing[1]
    thick, shell = random.uniform(15, 45), random.uniform(2, 4)
    inside = (depth >= 0) & (depth <= thick) & (np.abs(across) < random.uniform(180, 260))[:, None]
    wall = inside & ((depth < shell) | (depth > thick - shell))
    for where, hu in ((inside, random.uniform(-960, -880)), (wall, random.uniform(-500, 50))):
        samples[where[:, :, None] & ~body] = hu


def ct_noise(image: np.ndarray, spacing: Sequence[float], random: np.random.Generator) -> np.ndarray:
    """Hounsfield units with a reconstruction's noise, from -1024; the wider the body, the more of it."""
    grain = random.uniform(0.3, 0.8)
    noise = gaussian_filter(random.standard_normal(image.shape, dtype=np.float32), (grain, grain, 0))
    width = min(image.shape[0] * spacing[0] / _WIDE, 1.0)
    strength = random.uniform(4, 26) * width**1.5 / noise.std()
    return np.clip(image + strength * noise, -1024, 3071)


def mri_signal(image: np.ndarray, spacing: Sequence[float], random: np.random.Generator) -> np.ndarray:
    """Signal of any unit: uneven coil, gamma, Rician noise.

    Args:
        image: Brightness, 0 to about 1.
        spacing: Millimetres.
        random: Where all this is drawn from.
    """
    uneven = smooth_noise(image.shape, spacing, _COIL * random.uniform(0.6, 1.5), random)
    signal = np.clip(image, 0, None) ** np.exp(0.25 * random.standard_normal())
    signal *= np.exp(random.uniform(0.05, 0.35) * uneven)
    level = random.uniform(0.01, 0.06)
    real, imaginary = level * random.standard_normal((2, *image.shape), dtype=np.float32)
    return np.hypot(signal + real, imaginary) * random.uniform(200, 1500)
