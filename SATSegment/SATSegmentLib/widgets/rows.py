"""One line of the results: measured when a mask arrives, noted with its segment, and read back from there."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from ..imaging import Mask, Volume
from ..mrml.kept import KeptSegment
from ..output import Segment, measure
from ..output.table import COLUMNS
from .asked import Asked

_SECONDS = "seconds"
_TEXTS = ("type", "modifier", "cleaned")


@dataclass
class Row:
    """One line of the results.

    Attributes:
        segment_id: In the segmentation.
        mean: Of the volume's intensities; None where it is not known.
        confidence: Mean probability of its voxels; None where it is not known.
        seconds: That it took after the one before; None where it is not known.
        color: RGB, 0 to 255.
        center: RAS millimetres of the middle of its bounding box, or None.
        measured: As a line of a table, with the keys of `COLUMNS`.
        edited: Whether its voxels are no longer those that were segmented.
    """

    name: str
    segment_id: str
    voxels: int
    volume_ml: float
    mean: float | None
    confidence: float | None
    touches_border: bool
    seconds: float | None
    color: tuple[int, int, int]
    center: tuple[float, float, float] | None
    measured: dict = field(repr=False, default_factory=dict)
    edited: bool = False


def row_of(
    volume: Volume, term: Asked, mask: Mask, confidence: float, seconds: float, segment_id: str, cleaned: str = ""
) -> Row:
    """The line of a mask that has just arrived; goes through its voxels, so it is nothing for Slicer's own thread."""
    measured = measure(volume, Segment(term.name, mask, term.entry), confidence, cleaned)
    center = None
    if mask.voxels:
        middle = np.add(mask.start, np.divide(np.subtract(mask.block.shape, 1), 2))
        center = tuple(float(x) for x in volume.affine[:3, :3] @ middle + volume.affine[:3, 3])
    return Row(
        term.name,
        segment_id,
        mask.voxels,
        measured["volume_ml"],
        measured["mean"],
        confidence,
        measured["touches_border"],
        seconds,
        term.entry.color,
        center,
        measured,
    )


def noted(row: Row) -> str:
    """What a segment keeps of its line: what its voxels alone do not tell."""
    return noted_values(row.measured | {_SECONDS: round(row.seconds, 2)})


def noted_values(measured: dict) -> str:
    """The same from the values of a line alone."""
    values = {key: value for key, value in measured.items() if value is not None and key != "name"}
    numbers = {key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()}
    return json.dumps(numbers, separators=(",", ":"))


def row_of_kept(kept: KeptSegment) -> Row:
    """The line of a segment that is there already; what no longer fits its voxels is left out."""
    values = _read(kept.measured)
    known = values.get("voxels") == kept.voxels
    measured = dict.fromkeys(COLUMNS)
    # codes are the term's, and cleaning was done, whatever became of the voxels
    measured |= values if known else {key: values.get(key) for key in _TEXTS}
    confidence = None
    with suppress(TypeError, ValueError):
        confidence = float(kept.confidence)
    measured |= {"name": kept.name, "voxels": kept.voxels, "volume_ml": kept.volume_ml, "confidence": confidence}
    seconds = measured.pop(_SECONDS, None)
    return Row(
        kept.name,
        kept.segment_id,
        kept.voxels,
        kept.volume_ml,
        measured["mean"],
        confidence,
        bool(measured["touches_border"]),
        seconds,
        kept.color,
        kept.center,
        measured,
        edited=bool(values) and not known,
    )


def _read(text: str | None) -> dict:
    """What `noted` wrote; empty where it is damaged."""
    try:
        values = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(values, dict):
        return {}
    return {
        key: value
        for key, value in values.items()
        if key in (*COLUMNS, _SECONDS) and isinstance(value, str if key in _TEXTS else (int, float))
    }
