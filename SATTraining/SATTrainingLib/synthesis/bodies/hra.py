"""Torsos of the Human Reference Atlas (HuBMAP, CC BY 4.0): organ meshes as volumes of 2.5 mm.

The volumes have organs, hips, sacrum and a skin, but no lungs, ribs or spine, and nothing between the organs: those
are made here. The lungs are labels; of the rest only the spine as a whole is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from ..tissue_map import TissueMap
from .chest import diaphragm, mediastinum, ribs, thorax
from .label_map import read_labels
from .landmarks import FEMALE, MALE, Landmarks
from .shapes import Spacing, closed, distance, ellipsoid, filled, holes, put, tube
from .spine import spine

MODALITIES = ("ct", "mri")

_ORGANS = {
    2: ("liver", "liver"),
    3: ("spleen", "spleen"),
    4: ("right kidney", "kidney"),
    5: ("left kidney", "kidney"),
    6: ("pancreas", "pancreas"),
    7: ("small bowel", "bowel"),
    8: ("colon", "bowel"),
    9: ("rectum", "bowel"),
    10: ("urinary bladder", "fluid"),
    11: ("prostate", "prostate"),
    12: ("uterus", "uterus"),
    13: ("heart", "heart"),
    14: ("thymus", "fat"),
    15: ("trachea", "gas"),
    16: ("bronchie", "gas"),
    17: ("larynx", "cartilage"),
    18: ("sternum", "bone"),
    19: ("spinal cord", "cord"),
    20: ("sacrum", "bone"),
    21: ("left hip", "bone"),
    22: ("right hip", "bone"),
}
_SKIN, _UTERUS, _STERNUM, _CORD, _PROSTATE, _HEART = 1, 12, 18, 19, 11, 13
_HOLLOW = (7, 8, 9, 10, 12, 13, 15, 16, 17)
_ABDOMEN = (2, 3, 4, 5, 6, 7, 8)
_LEFT_LUNG, _RIGHT_LUNG, _SPINE = 31, 32, 33
_FILLING = {
    41: "fat",
    42: "muscle",
    43: "skin",
    44: "bone",
    45: "cartilage",
    46: "disc",
    47: "fluid",
    48: "cord",
    49: "blood",
    50: "vein",
    51: "bowel",
    52: "soft",
}
_FAT, _MUSCLE, _CUTIS, _BONE, _CARTILAGE, _DISC, _FLUID, _MARROW, _BLOOD, _VEIN, _BOWEL, _SOFT = _FILLING
_BACK = 16  # voxels added behind: the female's back lies outside the volume


def read(path: Path, random: np.random.Generator) -> TissueMap:
    """A torso of these volumes, completed; 2.5 mm."""
    raw, spacing = read_labels(path, {2, 3}, (192, 152, 320))
    male = (raw == _PROSTATE).any()
    raw = np.pad(raw, ((0, 0), (_BACK, 0), (0, 0)))
    marks = (MALE if male else FEMALE).moved(0, _BACK)
    body = _outline(raw, marks)
    values = np.where(raw == _SKIN, 0, raw)
    for value in _HOLLOW:
        if (values == value).any():
            for axis in range(3):
                values[holes(values == value, axis, 240) & (values == 0)] = value
    values = _complete(values, body, spacing, marks, random)
    # the atlas' lungs would be those of breathing out
    values = _stretched(values, min(marks.domes) - 12, marks.apex, random.uniform(1.0, 1.4))
    return TissueMap(
        path.name.split(".")[0],
        "hra",
        values,
        spacing,
        {value: tissue for value, (_, tissue) in _ORGANS.items()}
        | {_LEFT_LUNG: "lung", _RIGHT_LUNG: "lung", _SPINE: "bone"}
        | _FILLING,
        _labels(bool(male)),
        MODALITIES,
    )


def _labels(male: bool) -> dict[int, str]:
    left_out = {_UTERUS, _STERNUM} if male else {_PROSTATE, _CORD}
    own = {value: name for value, (name, _) in _ORGANS.items() if value not in left_out}
    return own | {_LEFT_LUNG: "left lung", _RIGHT_LUNG: "right lung", _SPINE: "spine"}


def _stretched(values: np.ndarray, first: float, last: float, factor: float) -> np.ndarray:
    """The axial slices between two levels made more by a factor."""
    more = (last - first) * (factor - 1)
    level = np.arange(round(values.shape[2] + more))
    source = np.interp(level, [0, first, last + more, level[-1]], [0, first, last, values.shape[2] - 1])
    return values[:, :, np.rint(source).astype(int)]


def _outline(raw: np.ndarray, marks: Landmarks) -> np.ndarray:
    """The inside of the skin, arms included, and the back where the volume ends before it."""
    body = raw > 0
    level = np.arange(raw.shape[2])
    for k in level:
        columns = np.flatnonzero(body[:, _BACK, k])
        if columns.size:
            body[columns[0] : columns[-1] + 1, _BACK - 1, k] = True
        for edge in (0, -1):
            rows = np.flatnonzero(body[edge, :, k])
            if rows.size:
                body[edge, rows[0] : rows[-1] + 1, k] = True
    body = filled(body)
    body[:, :_BACK] = False
    cut = body[:, _BACK]  # (R, S)
    width = np.abs(np.arange(raw.shape[0])[:, None] - marks.centre) / np.maximum(cut.sum(0) / 2, 1)
    # A of the skin: behind the spinous processes, or as round as the buttocks
    need = np.clip(np.minimum(marks.canal_at(level) - 21, _BACK - 0.12 * cut.sum(0)), 0, _BACK)
    reach = _BACK - (_BACK - need) * np.sqrt(np.clip(1 - width**2, 0, 1))
    behind = (np.arange(raw.shape[1])[None, :, None] >= reach[:, None]) & body[:, _BACK : _BACK + 1]
    behind[:, _BACK:] = False
    return body | behind


def _complete(values, body, spacing, marks: Landmarks, random) -> np.ndarray:
    shape = values.shape
    level = np.arange(shape[2])
    x = np.arange(shape[0])[:, None, None] - marks.centre
    y = np.arange(shape[1])[None, :, None]
    canal = marks.canal_at(level)

    bone, discs, hole = spine(shape, marks)
    put(values, bone, _SPINE)
    put(values, discs, _DISC)
    cord = hole & ((x / 2.2) ** 2 + ((y - canal) / 1.8) ** 2 <= 1) & (level > marks.promontory + 50)
    put(values, cord & ~(values == _CORD).any((0, 1)), _MARROW)
    put(values, hole, _FLUID)

    cavity = thorax(shape, marks, random.uniform(0.95, 1.05))
    abdomen = np.isin(values, _ABDOMEN)
    floor = diaphragm(cavity, abdomen, marks, random)
    airways = np.isin(values, (15, 16))
    between = mediastinum(shape, values == _HEART, airways, marks)
    air = cavity & (level > floor[:, :, None]) & ~between & (values == 0)
    air &= ~ndimage.binary_dilation(values == _SPINE)
    air = ndimage.gaussian_filter(air.astype(np.float32), 1.0) > 0.5
    rib, cartilage, wall = ribs(cavity, spacing, marks)
    put(values, air & (wall < 0), _LEFT_LUNG)
    values[(values == _LEFT_LUNG) & (x > 0)] = _RIGHT_LUNG
    put(values, rib, _BONE)
    put(values, cartilage, _CARTILAGE)
    _add_sternum(values, spacing, marks)
    _add_vessels(values, spacing, marks)
    _add_stomach(values, spacing, cavity, floor, marks)
    sheet = cavity & (np.abs(level - floor[:, :, None]) < 1.2) & ~between
    put(values, sheet, _MUSCLE)

    core = (values > 0) | cavity
    psoas = ((np.abs(x) - 14 - 0.12 * np.clip(marks.promontory + 40 - level, 0, 60)) / 6.5) ** 2
    psoas = psoas + ((y - canal - 9) / 7.5) ** 2 <= 1
    put(values, psoas & (level > marks.promontory - 25) & (level < marks.promontory + 50), _MUSCLE)
    paraspinal = ((np.abs(x) - 10) / 11) ** 2 + ((y - canal + 8) / 7.5) ** 2 <= 1
    paraspinal = paraspinal & (level > marks.promontory - 20) & (wall > 0)
    put(values, paraspinal, _MUSCLE)
    _add_thighs(values, spacing)

    core = closed(core | paraspinal & body, (spacing[0], spacing[1], 0.6 * spacing[2]), 60, 7.5)
    fat = random.uniform(8, 26)
    muscle = random.uniform(9, 15)
    hips = np.flatnonzero(np.isin(values, (21, 22)).any((0, 1)))
    trunk = np.clip((level - (hips[0] + hips[-1]) / 2) / 25, 0, 1)  # 0 in the thighs, 1 in the trunk
    limit = muscle + fat + 200 * (1 - trunk)
    body = body & (core < limit) | (values > 0)
    body = ndimage.gaussian_filter(body.astype(np.float32), 1.5) > 0.5
    values[~body & ~np.isin(values, list(_ORGANS))] = 0
    inner = ndimage.binary_erosion(body, border_value=1)
    deep = distance(~body, spacing) > fat + 3
    put(values, body & ~inner, _CUTIS)
    put(values, body & (core > 0) & (core < muscle) & (trunk > 0.4), _MUSCLE)
    put(values, body & (wall > 0) & (wall < 12) & (level > marks.xiphoid - 40), _MUSCLE)
    put(values, deep & (trunk < 1) & (core > -5), _MUSCLE)
    put(values, body, _FAT)
    return values


def _add_sternum(values: np.ndarray, spacing: Spacing, marks: Landmarks) -> None:
    shape = values.shape
    level = np.arange(marks.xiphoid - 6, marks.apex - 10)
    front = marks.front_at(level) + 3
    line = [(marks.centre + dx, a, s) for dx in (-4, 4) for s, a in zip(level, front, strict=True)]
    mask = np.zeros(shape, bool)
    for half in (line[: len(level)], line[len(level) :]):
        mask |= tube(shape, spacing, half, 7)
    mask |= tube(shape, spacing, [(marks.centre, a, s) for s, a in zip(level, front, strict=True)], 7)
    put(values, mask, _BONE)
    top = level[-1]
    for side in (-1, 1):  # clavicles
        start = (marks.centre + side * 8, front[-1] + 2, top + 3)
        end = (marks.centre + side * 58, float(marks.canal_at(top)) + 14, top + 14)
        middle = (marks.centre + side * 32, front[-1] + 2, top + 8)
        put(values, tube(shape, spacing, [start, middle, end], 6.5), _BONE)


def _add_vessels(values: np.ndarray, spacing: Spacing, marks: Landmarks) -> None:
    shape = values.shape

    def at(right: float, ahead: float, level: float) -> tuple[float, float, float]:
        return marks.centre + right, float(marks.canal_at(level)) + ahead, level

    fork = marks.promontory + 16
    arch = marks.carina + 8
    down = [at(-9, 16, level) for level in range(int(arch) - 4, int(fork) + 25, -6)]
    down += [at(-4, 21, fork + 12), at(-3, 21, fork)]
    front = float(marks.front_at(marks.carina)) - float(marks.canal_at(marks.carina))
    root = [at(3, 0.62 * front, marks.carina - 14), at(5, 0.7 * front, arch - 8), at(2, 0.62 * front, arch + 1)]
    over = [at(-4, 0.48 * front, arch + 4), at(-9, 0.36 * front, arch + 2)]
    put(values, tube(shape, spacing, root + over + down, 12.5), _BLOOD)
    for side in (-1, 1):
        groin = at(side * 33, 45, marks.promontory - 50)
        put(values, tube(shape, spacing, [at(-3, 21, fork), at(side * 14, 21, fork - 22), groin], 5.5), _BLOOD)
        behind = at(side * 29, 43, marks.promontory - 50)
        put(values, tube(shape, spacing, [at(6, 19, fork - 4), at(side * 14, 17, fork - 24), behind], 6), _VEIN)
    heart = [at(9, 22, marks.xiphoid - 8), at(10, 30, marks.xiphoid + 6)]
    put(
        values,
        tube(
            shape, spacing, [at(7, 20, level) for level in range(int(fork) - 4, int(marks.xiphoid) - 12, 6)] + heart, 10
        ),
        _VEIN,
    )
    put(
        values, tube(shape, spacing, [at(11, 0.55 * front, marks.carina - 14), at(12, 0.5 * front, arch + 8)], 9), _VEIN
    )
    top = marks.apex + 6
    for right in (-13, 11):  # to the neck
        put(
            values,
            tube(shape, spacing, [at(right * 0.4, 0.6 * front, arch + 5), at(right, 17, top), at(right, 17, 319)], 4),
            _BLOOD,
        )
        put(
            values,
            tube(
                shape,
                spacing,
                [at(right * 0.9, 0.68 * front, arch + 6), at(right * 1.3, 20, top), at(right * 1.3, 19, 319)],
                6,
            ),
            _VEIN,
        )
    trunk = [at(-2, 0.62 * front, marks.carina - 12), at(-6, 0.5 * front, marks.carina - 4)]
    put(values, tube(shape, spacing, trunk, 13), _VEIN)
    for side in (-1, 1):  # hila
        hilum = [at(side * 4, 0.42 * front, marks.carina - 5), at(side * 18, 0.36 * front, marks.carina - 7)]
        put(values, tube(shape, spacing, hilum, 9), _VEIN)
    gullet = [at(-3, 17, level) for level in range(int(marks.domes[0]) - 4, 319, 8)]
    put(values, tube(shape, spacing, gullet, 6.5), _SOFT)


def _add_stomach(values, spacing, cavity, floor, marks: Landmarks) -> None:
    """Under the left dome, in what the organs leave free."""
    dome = marks.domes[0]
    canal = float(marks.canal_at(dome))
    front = float(marks.front_at(dome))
    shape = values.shape
    fundus = ellipsoid(shape, spacing, (marks.centre - 27, canal + 0.42 * (front - canal), dome - 13), (37, 50, 35))
    corpus = ellipsoid(shape, spacing, (marks.centre - 18, canal + 0.62 * (front - canal), dome - 28), (32, 35, 45))
    below = np.arange(shape[2]) < floor[:, :, None] - 2
    free = ~ndimage.binary_dilation(values > 0)
    put(values, (fundus | corpus) & below & free & cavity, _BOWEL)


def _add_thighs(values: np.ndarray, spacing: Spacing) -> None:
    """Femurs from the hips' sockets down."""
    shape = values.shape
    for value, side in ((21, -1), (22, 1)):
        places = np.argwhere(values == value)
        low, high = places.min(0), places.max(0)
        socket = places[np.abs(places[:, 2] - (low[2] + 0.38 * (high[2] - low[2]))) < 3]
        outer = socket[:, 0].max() if side > 0 else socket[:, 0].min()
        head = np.array([outer + side * 5, socket[:, 1].mean(), socket[:, 2].mean()])
        trochanter, shaft, end = head + np.array([[side * 18, -3, -6], [side * 12, 0, -40], [side * 4, 2, -head[2]]])
        put(values, ellipsoid(shape, spacing, head, (23, 23, 23)), _BONE)
        put(values, tube(shape, spacing, [head, trochanter], 14), _BONE)
        put(values, tube(shape, spacing, [trochanter, shaft, end], 15), _BONE)
