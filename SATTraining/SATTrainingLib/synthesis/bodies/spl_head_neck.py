"""A head and neck: the Open Anatomy head and neck atlas, with brain, airway, lungs, soft tissue and skin added."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from ..tissue_map import TissueMap
from .label_map import read_labels
from .shapes import Spacing, box_of, closed, distance, ellipsoid, filled, holes, largest, put, tube, without_specks
from .spl_tables import HEAD_NECK, HEAD_NECK_SIDED

MODALITIES = ("ct", "mri")

_THIN = 2  # voxels of the plane that become one
_ON_THE_LEFT = 1000  # added to a value that the source has for both sides
_SKULL, _MANDIBLE, _SPINE = 10, 25, (*range(11, 18), *range(21, 25), 36)
_RIBS = (*HEAD_NECK_SIDED, *(value + _ON_THE_LEFT for value in HEAD_NECK_SIDED))
_LEFT_LUNG, _RIGHT_LUNG, _BRAIN_RIM, _BRAIN, _VENTRICLE = range(151, 156)
_FILLING = ("fat", "muscle", "skin", "gas", "fluid", "cord", "disc", "eye", "soft", "marrow")
_FAT, _MUSCLE, _SKIN, _GAS, _FLUID, _CORD, _DISC, _EYE, _SOFT, _MARROW = range(161, 171)


def read(path: Path, random: np.random.Generator) -> TissueMap:
    """The head and neck of this atlas; 2 x 2 x 1.4 mm."""
    values, spacing = read_labels(path, {_SKULL, _MANDIBLE, *_SPINE})
    values = np.where(np.isin(values, [*HEAD_NECK, *HEAD_NECK_SIDED]), values, 0).astype(np.int16)
    values[~without_specks(values > 0, 200)] = 0  # threads inside the skull, too
    values = np.pad(values[::_THIN, ::_THIN], ((0, 0), (6, 12), (0, 16)))
    spacing = (spacing[0] * _THIN, spacing[1] * _THIN, spacing[2])
    middle = np.argwhere(np.isin(values, _SPINE))[:, 0].mean()
    left = np.arange(values.shape[0])[:, None, None] < middle
    values[np.isin(values, list(HEAD_NECK_SIDED)) & left] += _ON_THE_LEFT
    for value in (_MANDIBLE, 26, 27, 28, *_RIBS):  # drawn as shells
        for axis in range(3):
            values[holes(values == value, axis, 100) & (values == 0)] = value
    _fill(values, spacing, middle, random)

    tissues = {value: tissue for value, (_, tissue) in HEAD_NECK.items()}
    labels = {value: name for value, (name, _) in HEAD_NECK.items()}
    for value, name in HEAD_NECK_SIDED.items():
        tissues |= {value: "bone", value + _ON_THE_LEFT: "bone"}
        labels |= {value: f"right {name}", value + _ON_THE_LEFT: f"left {name}"}
    tissues |= {_LEFT_LUNG: "lung", _RIGHT_LUNG: "lung"}
    tissues |= {_BRAIN_RIM: "gray matter", _BRAIN: "white matter", _VENTRICLE: "fluid"}
    tissues |= dict(zip(range(161, 171), _FILLING, strict=True))
    labels |= {_LEFT_LUNG: "left lung", _RIGHT_LUNG: "right lung"}
    labels |= {_BRAIN_RIM: "brain", _BRAIN: "brain", _VENTRICLE: "brain"}
    return TissueMap("spl_head_neck", "spl_head_neck", values, spacing, tissues, labels, MODALITIES)


def _fill(values: np.ndarray, spacing: Spacing, middle: float, random: np.random.Generator) -> None:
    shape = values.shape

    _add_brain(values, spacing, middle)
    near = values[box_of(np.isin(values, _SPINE), 8)]
    spine = np.isin(near, _SPINE)
    canal = filled(closed(spine, spacing, 7, 2.0) < 0) & ~spine
    canal = ndimage.binary_opening(canal, iterations=2)
    put(near, canal & (ndimage.distance_transform_edt(canal, spacing) > 4.5), _CORD)
    put(near, canal, _FLUID)
    put(near, closed(spine, spacing, 5, 2.0) < -1, _DISC)
    _add_airway(values, spacing, middle)
    _add_lungs(values, spacing, middle)

    solid = values > 0
    core = np.minimum(closed(solid, spacing, 25), closed(solid, spacing, 60, flat=True))
    head = closed(np.isin(values, (_SKULL, _MANDIBLE)), spacing, 30)
    fat = random.uniform(3, 14)
    depth = core - 4 - np.where(head < 8, min(fat, 7), fat)
    depth = ndimage.gaussian_filter(depth, 4 / np.array(spacing), mode="nearest")
    axis = np.argwhere(values == 12).mean(0)
    nape = (np.arange(shape[2]) < axis[2] + 12 / spacing[2]) & (np.arange(shape[1])[:, None] < axis[1])
    put(values, (core < 2) & (depth < -5) & (distance(solid, spacing) < 8), _MUSCLE)
    put(values, (core < -12) & nape, _MUSCLE)
    put(values, (core < -4) & (head < -8), _MUSCLE)
    put(values, depth < -2.5, _FAT)
    put(values, depth < 0, _SKIN)


def _add_airway(values: np.ndarray, spacing: Spacing, middle: float) -> None:
    """Nose, throat, trachea and the gullet behind it, sinuses and eyes."""
    shape = values.shape

    def moved(place, right: float, anterior: float, superior: float) -> np.ndarray:
        return np.asarray(place) + np.array([right, anterior, superior]) / spacing

    hyoid, axis, larynx, cricoid, thyroid = (np.argwhere(values == value).mean(0) for value in (9, 12, 119, 120, 118))
    for place in (hyoid, axis, larynx, cricoid, thyroid):
        place[0] = middle
    chest = [moved(thyroid, 0, -4, 0)] + [np.array([middle, thyroid[1] - 22 / spacing[1], s]) for s in (6, -8)]
    put(values, tube(shape, spacing, [cricoid, *chest], 8), _GAS)
    put(values, tube(shape, spacing, [moved(place, -4, -14, 0) for place in (cricoid, *chest)], 7), _SOFT)
    throat = [moved(axis, 0, 25, up) for up in (0, 12, 20)]
    put(values, tube(shape, spacing, [cricoid, larynx, moved(hyoid, 0, -8, 8), *throat], 6.5), _GAS)
    nose = moved(throat[-1], 0, 8, 3)
    bone = np.argwhere(values[:, :, int(nose[2])] == _SKULL)
    front = bone[:, 1].max()
    for side in (-1, 1):
        opening = np.array([middle + side * 7 / spacing[0], front, nose[2]])
        put(values, tube(shape, spacing, [moved(nose, side * 6, 0, 0), opening], 4.5), _GAS)
        put(values, tube(shape, spacing, [moved(nose, side * 6, 4, 14), moved(opening, 0, -12, 16)], 3), _GAS)
        put(values, ellipsoid(shape, spacing, moved(opening, side * 20, -26, 2), (9, 12, 12)), _GAS)
        put(values, ellipsoid(shape, spacing, moved(opening, side * 25, -12, 25), (12, 12, 12)), _EYE)


def _add_brain(values: np.ndarray, spacing: Spacing, middle: float) -> None:
    """Fills the skull: what a ball of 16 mm reaches inside it, which the openings of its base do not let through."""
    head = box_of(values == _SKULL, 2)
    middle -= head[0].start
    values = values[head]
    skull = values == _SKULL
    top = np.flatnonzero(skull.any((0, 1))).max()
    skull[:, :, top:] = True
    walls = ndimage.binary_closing(np.pad(skull | np.isin(values, _SPINE), 3), iterations=2)[3:-3, 3:-3, 3:-3]
    pieces, _ = ndimage.label(ndimage.distance_transform_edt(~walls, spacing) > 17)
    held = pieces == pieces[round(middle), skull.shape[1] // 2, round(top - 60 / spacing[2])]
    inside = (ndimage.distance_transform_edt(~held, spacing) < 24) & ~skull
    inside = ndimage.gaussian_filter(inside.astype(np.float32), 1.0) > 0.5
    inside = largest(ndimage.binary_opening(inside, iterations=2))
    depth = ndimage.distance_transform_edt(inside, spacing)
    centre = np.argwhere(inside).mean(0)
    for side in (-1, 1):
        horn = ellipsoid(values.shape, spacing, centre + np.array([side * 11, 4, 10]) / spacing, (6, 34, 10))
        put(values, horn & inside, _VENTRICLE)
    falx = np.abs(np.arange(values.shape[0])[:, None, None] - middle) < 1
    falx = falx & (depth < 30) & (np.arange(values.shape[2]) > centre[2] + 25 / spacing[2])
    put(values, inside & falx, _FLUID)
    put(values, inside & (depth > 8), _BRAIN)
    put(values, inside & (depth > 2.5), _BRAIN_RIM)
    put(values, inside, _FLUID)


def _add_lungs(values: np.ndarray, spacing: Spacing, middle: float) -> None:
    """The lungs' upper part: inside the ribs, sternum and spine, beside the great vessels."""
    cage = np.isin(values, (*_RIBS, 28, 21, 22, 23, 24, 36))
    inside = ndimage.gaussian_filter(closed(cage, spacing, 120, flat=True), (1, 1, 3), mode="nearest")
    vessels = np.isin(values, (101, 102, 103, 104, *range(113, 119), _GAS, _SOFT))
    vessels = closed(vessels, spacing, 12) < 2
    side = (np.arange(values.shape[0])[:, None, None] - middle) * spacing[0]
    first = np.argwhere(np.isin(values, (31, 31 + _ON_THE_LEFT)))[:, 2].max()
    air = (inside < -9) & ~vessels & (np.abs(side) > 9) & (np.arange(values.shape[2]) < first)
    air &= distance(cage, spacing) > 0
    air = ndimage.gaussian_filter(air.astype(np.float32), 1.5 / np.array(spacing) * 1.5) > 0.5
    for value, half in ((_LEFT_LUNG, air & (side < 0)), (_RIGHT_LUNG, air & (side > 0))):
        put(values, largest(half), value)
