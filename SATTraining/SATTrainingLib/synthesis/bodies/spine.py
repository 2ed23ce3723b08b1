"""A spine made along the spinal canal."""

from __future__ import annotations

import numpy as np

from .landmarks import Landmarks


def spine(shape: tuple[int, int, int], marks: Landmarks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(bone, discs, canal), from above the sacrum to the top of the array, as (R, A, S) booleans."""
    level = np.arange(shape[2])
    # millimetres from a disc to the next: five lumbar, twelve thoracic, seven cervical vertebrae
    heights = np.r_[np.linspace(37, 35, 5), np.linspace(30, 20, 12), np.full(7, 17)] / 2.5
    stature = (marks.apex + 4 - marks.promontory) / heights[:17].sum()
    ends = marks.promontory + np.r_[0, np.cumsum(heights * stature)]
    number = np.clip(np.searchsorted(ends, level, side="right") - 1, 0, len(heights) - 1)
    within = (level - ends[number]) / (heights[number] * stature)  # 0 below, 1 above
    rising = np.clip((level - marks.promontory) / (ends[17] - marks.promontory), 0, 1.2)

    canal = marks.canal_at(level)
    radius = np.interp(rising, [0, 0.3, 1], [4.2, 3.6, 3.8])
    deep = np.interp(rising, [0, 0.3, 1, 1.1], [7.0, 6.4, 4.5, 3.8])
    wide = np.interp(rising, [0, 0.3, 0.8, 1, 1.1], [10, 8.8, 6.4, 6.6, 5.6])
    waist = 1 - 0.12 * np.sin(np.pi * np.clip(within, 0, 1))
    x = np.arange(shape[0])[:, None, None] - marks.centre
    y = np.arange(shape[1])[None, :, None] - canal
    above = level > marks.promontory
    hole = ((x / (radius * 1.15)) ** 2 + (y / (radius * 0.85)) ** 2 <= 1) & above
    body = (x / (wide * waist)) ** 2 + ((y - radius * 0.85 - deep - 0.8) / (deep * waist)) ** 2 <= 1
    disc = body & (within < np.where(number < 5, 0.24, 0.17))
    arched = (within > 0.2) & (within < 0.8)
    arch = ((x / (radius * 1.15 + 2.2)) ** 2 + ((y + 0.6) / (radius * 0.85 + 2.4)) ** 2 <= 1) & arched
    long = np.interp(rising, [0, 0.3, 0.6, 1], [13, 12, 11, 10])
    spinous = (np.abs(x) < 1.6) & (y < -radius) & (y > -radius - long) & (within > 0.15) & (within < 0.62)
    sideways = np.interp(rising, [0, 0.3, 0.5, 1], [15, 12, 12, 13])
    transverse = (np.abs(x) < sideways) & (np.abs(x) > 3) & (np.abs(within - 0.6) < 0.17)
    transverse = transverse & (np.abs(y + 0.14 * np.abs(x) - 1.0) < 1.9)
    bone = (body & ~disc | arch | spinous | transverse) & ~hole & above
    return bone, disc & ~hole & above, hole
