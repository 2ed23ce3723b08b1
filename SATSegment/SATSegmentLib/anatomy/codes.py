"""DICOM codes and recommended colours of anatomical terms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """A DICOM code triple, e.g. ("SCT", "39607008", "Lung")."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class CodedEntry:
    """What a segment is: category, type, type modifier (the side), recommended RGB (0 to 255)."""

    category: Code
    type: Code
    modifier: Code | None
    color: tuple[int, int, int]
