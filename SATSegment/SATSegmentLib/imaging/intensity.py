"""From a volume to what the network sees: resampled, cropped, normalised."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .grid import Grid
from .mask import bounding_box
from .volume import Volume

CT_RANGE = (-500.0, 1000.0)  # Hounsfield units
PERCENTILES = (0.5, 99.5)  # of the other modalities


def prepare(volume: Volume, spacing: tuple[float, float, float], axis_codes: str = "RAS") -> tuple[np.ndarray, Grid]:
    """SAT's preprocessing (paper, Methods, "Data preprocessing").

    Orientation, resampling, crop to the bounding box of voxels > 0, clipping (CT at fixed Hounsfield
    units, else at percentiles), z-score over the crop.

    Returns:
        (image, grid): float32 on the cropped grid, axes as `axis_codes`.

    Raises:
        InputError: All voxels have the same value.
    """
    whole = Grid.of(volume, spacing, axis_codes)
    image = whole.resample(volume.array)
    box = bounding_box(image > 0) or whole.crop
    grid = whole.cropped(box)
    image = image[tuple(slice(start, stop) for start, stop in zip(*box, strict=True))]
    low, high = CT_RANGE if volume.modality == "ct" else np.percentile(image, PERCENTILES)
    image = np.clip(image, low, high)
    mean, deviation = float(image.mean(dtype=np.float64)), float(image.std(dtype=np.float64))
    if deviation < 1e-6:
        raise InputError(f"{volume.name} has the same value everywhere; there is nothing to segment.")
    image -= mean
    image /= deviation
    return np.ascontiguousarray(image), grid
