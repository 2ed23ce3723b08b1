"""DICOM codes and recommended colours of anatomical terms."""

from __future__ import annotations

import colorsys
import csv
from dataclasses import astuple, dataclass
from functools import cache
from hashlib import blake2b

from ..resources import resource


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


_TISSUE = Code("SCT", "85756007", "Tissue")  # category and type that 3D Slicer gives a new segment
_CATEGORIES = {
    "123037004": Code("SCT", "123037004", "Anatomical Structure"),
    "49755003": Code("SCT", "49755003", "Morphologically Altered Structure"),  # lesions
    _TISSUE.value: _TISSUE,
}
_SIDES = {"left": Code("SCT", "7771000", "Left"), "right": Code("SCT", "24028007", "Right")}
_SIDE_OF_VALUE = {"": None} | {side.value: side for side in _SIDES.values()}

# As in the table: the left lighter than the right, both lighter than the structure without side.
_LIGHTNESS = {"left": 0.65, "right": 0.58, "": 0.51}
_SATURATION = 0.5

_TYPE_CONTEXT = "Segmentation category and type - 3D Slicer General Anatomy list"
_REGION_CONTEXT = "Anatomic codes - DICOM master list"


def coded_entry(term: str) -> CodedEntry:
    """The code and colour of `term`, whatever its case and spacing.

    A term without a known code is "Tissue", like a new segment in 3D Slicer, with the side it begins
    with and a colour that is always the same for it.
    """
    term = " ".join(term.lower().split())
    return _table().get(term) or _uncoded(term)


def terminology_string(entry: CodedEntry) -> str:
    """`entry` as the value of 3D Slicer's segment tag `TerminologyEntry`."""
    codes = ("^".join(astuple(code)) if code else "^^" for code in (entry.category, entry.type, entry.modifier))
    return "~".join((_TYPE_CONTEXT, *codes, _REGION_CONTEXT, "^^", "^^"))


@cache
def _table() -> dict[str, CodedEntry]:
    with resource("Anatomy", "terms.csv").open(encoding="utf-8", newline="") as file:
        return {row["term"]: _entry(row) for row in csv.DictReader(file)}


def _entry(row: dict[str, str]) -> CodedEntry:
    kind = Code("SCT", row["type"], row["type_meaning"]) if row["type"] else _TISSUE
    color = (int(row["red"]), int(row["green"]), int(row["blue"]))
    return CodedEntry(_CATEGORIES[row["category"]], kind, _SIDE_OF_VALUE[row["modifier"]], color)


def _uncoded(term: str) -> CodedEntry:
    side, _, structure = term.partition(" ")
    if side not in _SIDES or not structure:
        side, structure = "", term
    # Python's own hash() differs from process to process.
    hue = int.from_bytes(blake2b(structure.encode(), digest_size=2).digest(), "big") / 2**16
    color = colorsys.hls_to_rgb(hue, _LIGHTNESS[side], _SATURATION)
    return CodedEntry(_TISSUE, _TISSUE, _SIDES.get(side), tuple(round(255 * channel) for channel in color))
