"""An abdomen: the Open Anatomy abdominal atlas, with what lies between and around its structures.

Its header gives 0.94 x 0.94 x 1.5 mm, at which a kidney has 47 ml and a lumbar vertebra with its disc 18 mm: the
spacing is taken as 1.2 x 1.2 x 3 mm.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from ..tissue_map import TissueMap
from .label_map import read_labels
from .shapes import box_of, closed, distance, ellipsoid, filled, put
from .spl_tables import ABDOMEN, ABDOMEN_SIDED

MODALITIES = ("ct", "mri")

_SPACING = (1.2, 1.2, 3.0)
_ON_THE_LEFT = 1000  # added to a value that the source has for both sides
_FAT, _MUSCLE, _SKIN, _LUNG, _FLUID, _CORD, _HEART = range(2001, 2008)
_VERTEBRAE = (600, *range(409, 413), *range(501, 506))
_DISCS = tuple(range(551, 560))


def read(path: Path, random: np.random.Generator) -> TissueMap:
    """The abdomen of this atlas."""
    values, _ = read_labels(path, {3, 51, 52}, (256, 256, 113))
    levels = np.flatnonzero((values > 0).any((0, 1)))
    values = values[:, 20:, levels[0] : levels[-1] + 1]
    values = np.where(np.isin(values, [*ABDOMEN, *ABDOMEN_SIDED]), values, 0).astype(np.int16)
    values = np.pad(values, ((32, 32), (0, 0), (0, 0)))
    left = np.arange(values.shape[0])[:, None, None] < np.argwhere(np.isin(values, _DISCS))[:, 0].mean()
    values[np.isin(values, list(ABDOMEN_SIDED)) & left] += _ON_THE_LEFT
    _fill(values, random)
    tissues = {value: tissue for value, (_, tissue) in ABDOMEN.items()}
    labels = {value: name for value, (name, _) in ABDOMEN.items()}
    for value, name in ABDOMEN_SIDED.items():
        tissues |= {value: "bone", value + _ON_THE_LEFT: "bone"}
        labels |= {value: f"right {name}", value + _ON_THE_LEFT: f"left {name}"}
    filling = ("fat", "muscle", "skin", "lung", "fluid", "cord", "heart")
    tissues |= dict(zip((_FAT, _MUSCLE, _SKIN, _LUNG, _FLUID, _CORD, _HEART), filling, strict=True))
    return TissueMap("spl_abdomen", "spl_abdomen", values, _SPACING, tissues, labels, MODALITIES)


def _fill(values: np.ndarray, random: np.random.Generator) -> None:
    near = values[box_of(np.isin(values, _VERTEBRAE), 8)]
    spine = np.isin(near, (*_VERTEBRAE, *_DISCS))
    canal = filled(closed(spine, _SPACING, 6, 2.4) < 0) & ~ndimage.binary_dilation(spine)
    canal = ndimage.binary_opening(canal, iterations=2)
    put(near, canal & (ndimage.distance_transform_edt(canal, _SPACING) > 4), _CORD)
    put(near, canal, _FLUID)

    core = np.minimum(closed(values > 0, _SPACING, 50), closed(values > 0, _SPACING, 80, flat=True))
    level = np.arange(values.shape[2])
    ahead = np.arange(values.shape[1])[None, :, None]
    bodies = np.argwhere(np.isin(values, _DISCS))
    back = bodies[:, 1].mean() - 15
    # the lungs' bases: above the dome in front, lower behind
    base = np.interp(ahead, [back - 15, back + 15, back + 60], [82, 88, 100])
    heart = ellipsoid(values.shape, _SPACING, (bodies[:, 0].mean() - 18, back + 75, 122), (62, 45, 58))
    put(values, heart & (core < -13) & (level > 102), _HEART)
    below = distance(np.isin(values, (3, 4, 13, 51, 52)), _SPACING)
    middle = np.abs(np.arange(values.shape[0])[:, None, None] - bodies[:, 0].mean())
    put(values, (core < -13) & (level > base) & (below > 4) & (middle > np.where(ahead < back + 35, 26, 50)), _LUNG)

    wall, fat = random.uniform(6, 10), random.uniform(8, 30)
    outline = core - fat - 2 * np.clip(ahead - back - 60, 0, 30) / 30
    outline = ndimage.gaussian_filter(outline, (3, 3, 1), mode="nearest")
    put(values, (core < 0) & (core > -wall), _MUSCLE)
    put(values, (outline < 0), _FAT)
    put(values, (outline < 2.4), _SKIN)
