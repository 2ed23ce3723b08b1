"""What a model found, as a segment and its row of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..anatomy import coded_entry
from ..imaging.volume import Volume
from .cleaning import clean
from .measurements import radiomics_of
from .segment import Segment
from .table import measure

if TYPE_CHECKING:
    from ..imaging.mask import Mask


def measured(
    volume: Volume,
    term: str,
    prompt: str,
    region: Mask,
    confidence: float | None,
    largest: bool,
    holes: bool,
    radiomics: bool,
) -> tuple[Segment, dict]:
    """The segment, cleaned as asked, and its row.

    Args:
        volume: What was segmented.
        term: As the user called it: the segment's name.
        prompt: What the model was asked, which gives the code.
        region, confidence: What it found.
        largest, holes: As of `cleaning.clean`.
        radiomics: Whether these are measured too.
    """
    mask, cleaned = clean(region, largest, holes)
    segment = Segment(term, mask, coded_entry(prompt))
    row = measure(volume, segment, confidence, cleaned)
    return segment, row | radiomics_of(volume, segment) if radiomics else row
