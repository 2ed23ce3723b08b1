"""Small plots that fit a table's row: the values of the cases, their quartiles, and the mean with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .intervals import Estimate

WIDTH, _HEIGHT, _PAD = 180, 22, 5  # pixels
_MOST_DOTS = 80  # with more of them the box tells more
_SPREAD = 5.0  # pixels up and down over which dots are laid out


def strip(values: Sequence[float], estimate: Estimate, low: float = 0.0, high: float = 1.0) -> str:
    """An SVG element.

    A grey box from the first to the third quartile with the median as a line, a dot a value, a black mark at the mean
    and a black line over its interval.

    Args:
        values: From `low` to `high`.
        estimate: Mean and interval.
        low, high: At the left and the right edge.
    """
    array = np.sort(np.asarray(values, float))

    def x(value: float) -> str:
        return f"{_PAD + (WIDTH - 2 * _PAD) * (min(max(value, low), high) - low) / (high - low):.1f}"

    middle = _HEIGHT / 2
    grid = "".join(
        f'<line class="grid" x1="{x(low + (high - low) * part)}" x2="{x(low + (high - low) * part)}" y1="0" '
        f'y2="{_HEIGHT}"/>'
        for part in (0, 0.25, 0.5, 0.75, 1)
    )
    first, median, third = np.percentile(array, [25, 50, 75])
    box = (
        f'<rect class="box" x="{x(first)}" width="{float(x(third)) - float(x(first)):.1f}" y="4" '
        f'height="{_HEIGHT - 8}"/><line class="median" x1="{x(median)}" x2="{x(median)}" y1="4" y2="{_HEIGHT - 4}"/>'
        if len(array) > 2
        else ""
    )
    dots = ""
    if len(array) <= _MOST_DOTS:
        # Heights that neighbours never share, the same each time
        heights = middle + _SPREAD * (2 * (np.arange(len(array)) * 0.618 % 1) - 1) * (len(array) > 1)
        dots = "".join(
            f'<circle cx="{x(value)}" cy="{height:.1f}" r="2"/>' for value, height in zip(array, heights, strict=True)
        )
    line = ""
    if estimate.low is not None:
        line = f'<line class="interval" x1="{x(estimate.low)}" x2="{x(estimate.high)}" y1="{middle}" y2="{middle}"/>'
    mean = f'<line class="mean" x1="{x(estimate.mean)}" x2="{x(estimate.mean)}" y1="1" y2="{_HEIGHT - 1}"/>'
    label = f"{len(array)} values from {array[0]:.2f} to {array[-1]:.2f}, mean {estimate.mean:.2f}"
    return (
        f'<svg class="strip" width="{WIDTH}" height="{_HEIGHT}" role="img" aria-label="{label}"><title>{label}</title>'
        f"{grid}{box}{line}{mean}{dots}</svg>"
    )
