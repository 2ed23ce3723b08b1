"""A thoracic cavity with lungs and ribs around a heart, made from landmarks."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .landmarks import Landmarks
from .shapes import Spacing, distance

_GUTTER = 3.5  # voxels that the lungs reach behind the spinal canal's middle


def thorax(shape: tuple[int, int, int], marks: Landmarks, widen: float = 1.0) -> np.ndarray:
    """The inside of the rib cage, diaphragm and all below it included, as (R, A, S) booleans.

    Two halves, each an ellipse in every axial slice, with a flatter middle between them.
    """
    level = np.arange(shape[2])
    inside = (level >= marks.chest[0][0]) & (level <= marks.apex)
    half = marks.half_width_at(level) * widen
    back, front = marks.canal_at(level) - _GUTTER, marks.front_at(level)
    offset = 16.5 - 5.5 * np.clip((half - 30) / 20, 0, 1)
    x = np.arange(shape[0])[:, None, None] - marks.centre
    y = (np.arange(shape[1])[:, None, None].transpose(1, 0, 2) - (front + back) / 2) / ((front - back) / 2)
    sides = ((np.abs(x) - offset) / np.maximum(half - offset, 0.1)) ** 2 + y**2
    middle = np.where(np.abs(x) < offset, np.abs(y) / 0.93, 2)
    return ((sides <= 1) | (middle <= 1)) & inside


def diaphragm(cavity: np.ndarray, organs: np.ndarray, marks: Landmarks, random: np.random.Generator) -> np.ndarray:
    """S of the diaphragm's upper surface for every (R, A): two domes over the organs of the abdomen."""
    reference = int(marks.xiphoid)
    back, front = float(marks.canal_at(reference)) - _GUTTER, float(marks.front_at(reference))
    half = float(marks.half_width_at(reference))
    x = np.arange(cavity.shape[0])[:, None] - marks.centre
    y = np.arange(cavity.shape[1])[None, :]
    depth = np.clip((front - y) / (front - back), 0, 1)  # 0 in front, 1 at the back
    drop = random.uniform(0.9, 1.1) * (12 + 24 * depth**1.3)
    out = np.zeros(cavity.shape[:2])
    for side, dome in zip((-1, 1), marks.domes, strict=True):
        lateral = side * x - 0.45 * half
        lateral = np.where(lateral > 0, lateral / (0.55 * half), -lateral / (1.6 * half))
        radius = lateral**2 + ((y - (back + 0.58 * (front - back))) / (0.55 * (front - back))) ** 2
        surface = dome - drop * np.clip(radius, 0, 1.3) ** 1.2
        out = np.where(side * x > 0, surface, out)
    levels = np.arange(1, cavity.shape[2] + 1)
    tops = (organs & cavity).astype(np.int16) * levels
    tops = tops.max(2)
    raised = np.maximum(out, np.where(tops > 0, tops + 1.5, 0))
    raised = ndimage.gaussian_filter(raised, 3)
    return np.maximum(raised, np.where(tops > 0, tops + 1.5, 0))


def mediastinum(shape: tuple[int, int, int], heart: np.ndarray, airways: np.ndarray, marks: Landmarks) -> np.ndarray:
    """What lies between the lungs: the heart, the great vessels, the airways and what surrounds them and the spine."""
    level = np.arange(shape[2])
    canal, front = marks.canal_at(level), marks.front_at(level)
    x = np.abs(np.arange(shape[0])[:, None, None] - marks.centre)
    y = np.arange(shape[1])[None, :, None]
    ahead = (y - canal) / np.maximum(front - canal, 1)  # 0 at the canal, 1 behind the sternum
    upper = np.clip((level - (marks.carina - 18)) / 12, 0, 1)
    vessels = 10.5 + 3.5 * upper
    width = np.interp(ahead, [-0.3, 0.0, 0.3, 0.45, 0.72, 0.95, 1.05], [9, 8, 8, 1, 1, 0.28, 0.5])
    width = np.where(width <= 1, width * vessels, width)
    column = x < np.where(level > marks.carina - 22, width, np.where(ahead < 0.4, 8, 2.5))
    solid = (column | heart | airways).astype(np.float32)
    solid = ndimage.gaussian_filter(solid, 1.6) > 0.4
    return solid | ndimage.binary_dilation(heart) | ndimage.binary_dilation(airways)


def ribs(cavity: np.ndarray, spacing: Spacing, marks: Landmarks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(bone, cartilage, distance to the cavity in millimetres): twelve slanting ribs on each side."""
    wall = distance(cavity, spacing)
    level = np.arange(cavity.shape[2])
    canal = marks.canal_at(level)
    x = np.abs(np.arange(cavity.shape[0])[:, None, None] - marks.centre)
    y = np.arange(cavity.shape[1])[None, :, None]
    ahead = np.clip((y - canal) / np.maximum(marks.front_at(level) - canal, 1), -0.2, 1.1)
    slant = 16 * (ahead + 0.2)  # voxels that a rib sinks on its way to the front
    slant = slant - 10 * np.clip((ahead - 0.8) / 0.3, 0, 1)  # cartilage rises to the sternum
    pitch = 9.4
    phase = (marks.apex + 4 - (level + slant)) / pitch
    number = np.floor(phase)
    band = ((phase - number) < 0.52) & (phase > 0) & (number < 12)
    shell = (wall > 1.0) & (wall < 9.5)
    reach = np.select([number >= 11, number >= 10, number >= 7], [0.3, 0.5, 1.15 - 0.1 * (number - 6)], 2.0)
    band = band & shell & (ahead < reach) & (x > 5)
    low = level < marks.xiphoid - 4
    band = band & ~(low & (ahead > 1.0 - 0.016 * (marks.xiphoid - level)))
    soft = band & (ahead > np.where(number < 1, 0.97, 0.86)) & (x < 30)
    return band & ~soft, soft, wall
