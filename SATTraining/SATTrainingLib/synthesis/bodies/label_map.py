"""Label maps as their sources publish them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging import Grid, Volume


def read_labels(
    path: Path, known: set[int], shape: tuple[int, int, int] | None = None
) -> tuple[np.ndarray, tuple[float, float, float]]:
    """A label map's values and its spacing in millimetres, axes (R, A, S).

    Args:
        known: Values that have to occur.
        shape: The source's, for readers that know places by their voxels.

    Raises:
        InputError: The file cannot be read, or is not of the source that is expected.
    """
    volume = Volume.read(path, modality="ct")
    source_axes = Grid.of(volume, volume.spacing).source_axes
    spacing = tuple(volume.spacing[axis] for axis in source_axes)
    grid = Grid.of(volume, spacing)
    values = np.rint(grid.resample(volume.array, nearest=True)).astype(np.int16)
    if not known.issubset(np.unique(values).tolist()):
        raise InputError(f"{path} does not hold the structures that are expected in it; check its kind.")
    if shape is not None and values.shape != shape:
        raise InputError(
            f"{path} has {' x '.join(map(str, values.shape))} voxels, the published map {' x '.join(map(str, shape))}; "
            "use that one as it is."
        )
    return values, spacing
