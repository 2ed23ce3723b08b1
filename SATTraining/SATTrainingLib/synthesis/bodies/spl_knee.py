"""A left knee: the Open Anatomy knee atlas, with fat and skin around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from ..tissue_map import TissueMap
from .label_map import read_labels
from .shapes import closed
from .spl_tables import KNEE

MODALITIES = ("ct", "mri")

_THIN = 4  # 0.28 mm in the plane become 1.1 mm
_FLUID, _FAT, _MUSCLE, _SKIN = 201, 202, 203, 204


def read(path: Path, random: np.random.Generator) -> TissueMap:
    """The knee of this atlas; 1.1 x 1.1 x 1 mm."""
    values, spacing = read_labels(path, {95, 96})
    levels = np.flatnonzero(np.isin(values, (95, 96)).any((0, 1)))
    values = values[_THIN // 2 :: _THIN, _THIN // 2 :: _THIN, levels[0] : levels[-1] + 1]
    spacing = (spacing[0] * _THIN, spacing[1] * _THIN, spacing[2])
    values = np.where(np.isin(values, list(KNEE)), values, 0).astype(np.int16)
    values = np.pad(values, ((16, 16), (16, 16), (0, 0)))

    core = closed(values > 0, spacing, 40, 3.0)
    bones = closed(np.isin(values, (83, 84, 85, 86, 95, 96)), spacing, 6, 1.0)
    fat = random.uniform(2, 12)
    body = ndimage.gaussian_filter(core - fat, 2, mode="nearest")
    free = values == 0
    values[free & (body < 1.5)] = _SKIN
    values[free & (body < 0)] = _FAT
    values[free & (core < -4) & (bones > 2.5) & (bones < random.uniform(6, 14))] = _MUSCLE
    values[free & (bones < 0.8) & (core < 0)] = _FLUID
    filling = {_FLUID: "fluid", _FAT: "fat", _MUSCLE: "muscle", _SKIN: "skin"}
    return TissueMap(
        "spl_knee",
        "spl_knee",
        values,
        spacing,
        {value: tissue for value, (_, tissue) in KNEE.items()} | filling,
        {value: name for value, (name, _) in KNEE.items()},
        MODALITIES,
    )
