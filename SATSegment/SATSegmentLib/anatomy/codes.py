"""DICOM codes and recommended colours of anatomical terms.

Codes come from `terms.csv` (SAT's classes) and `codes.csv` (other terms), both SNOMED CT as 3D Slicer, DICOM and
TotalSegmentator use it. A term without one keeps Uberon's own code, which DICOM knows as the scheme UBERON.
"""

from __future__ import annotations

import colorsys
import csv
from dataclasses import astuple, dataclass, replace
from functools import cache
from hashlib import blake2b

from ..resources import resource
from .tree import KnowledgeTree, Term, knowledge_tree

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Code:
    """A DICOM code triple, e.g. ("SCT", "39607008", "Lung")."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True)
class CodedEntry:
    """What a segment is.

    Attributes:
        category, type: DICOM's segmented property category and type.
        modifier: Of the type: the side.
        color: Recommended RGB, 0 to 255.
        region, region_modifier: Where it is, of what could be anywhere: a tumor's organ, and its side.
    """

    category: Code
    type: Code
    modifier: Code | None
    color: Color
    region: Code | None = None
    region_modifier: Code | None = None


_TISSUE = Code("SCT", "85756007", "Tissue")  # category and type that 3D Slicer gives a new segment
_ANATOMY = Code("SCT", "123037004", "Anatomical Structure")
_CATEGORIES = {
    category.value: category
    for category in (
        _ANATOMY,
        Code("SCT", "49755003", "Morphologically Altered Structure"),  # lesions
        Code("SCT", "91720002", "Body Substance"),
        _TISSUE,
    )
}
_SIDES = {"left": Code("SCT", "7771000", "Left"), "right": Code("SCT", "24028007", "Right")}
_SIDE_OF_VALUE = {"": None} | {side.value: side for side in _SIDES.values()}

# As in the table: the left lighter than the right, both lighter than the structure without side.
_LIGHTNESS = {"left": 0.65, "right": 0.58, "": 0.51}
_SATURATION = 0.5
_GOLDEN = 0.618034  # spreads any number of siblings
_HUES_OF_KIN = 0.24  # how much of the circle the parts and kinds of one structure share

_TYPE_CONTEXT = "Segmentation category and type - 3D Slicer General Anatomy list"
_REGION_CONTEXT = "Anatomic codes - DICOM master list"


def coded_entry(term: str | Term) -> CodedEntry:
    """The code and colour of a term, or of what the knowledge tree knows by a name, whatever its case and spacing.

    What is unknown is "Tissue", like a new segment in 3D Slicer, with the side it begins with and a colour
    that is always the same for it.
    """
    if isinstance(term, str):
        name = " ".join(term.lower().split())
        if name in _classes():
            return _classes()[name]
        tree = knowledge_tree()
        known = tree.named(name)
        if known is None:
            return _unknown(name)
        term = known
    return _of_term(knowledge_tree(), term)


def terminology_string(entry: CodedEntry) -> str:
    """`entry` as the value of 3D Slicer's segment tag `TerminologyEntry`."""
    kind = (_written(code) for code in (entry.category, entry.type, entry.modifier))
    place = (_written(code) for code in (entry.region, entry.region_modifier))
    return "~".join((_TYPE_CONTEXT, *kind, _REGION_CONTEXT, *place))


def _written(code: Code | None) -> str:
    return "^".join(astuple(code)) if code else "^^"


def _of_term(tree: KnowledgeTree, term: Term) -> CodedEntry:
    for prompt in term.prompts:
        if prompt in _classes():
            return _classes()[prompt]
    if term.side and term.base:
        whole = _of_term(tree, tree[term.base])
        return replace(whole, modifier=_SIDES[term.side], color=_side_color(whole.color, term.side))
    color = _color(tree, term)
    if row := _others().get(term.id):
        return CodedEntry(_CATEGORIES[row["category"]], Code("SCT", row["type"], row["type_meaning"]), None, color)
    if term.id.startswith("UBERON:"):
        return CodedEntry(_ANATOMY, Code("UBERON", term.id, term.name), _SIDES.get(term.side), color)
    return CodedEntry(_TISSUE, _TISSUE, _SIDES.get(term.side), color)


def _color(tree: KnowledgeTree, term: Term) -> Color:
    """Recommended, or derived from the term's place: near the colour of what it is of, apart from its siblings'."""
    if given := _given_color(term):
        return given
    parents = [parent for _, parent in tree.parents(term.id)]
    if not parents:
        return _unknown(term.name).color
    parent = min(parents, key=lambda parent: (parent.side != term.side, -parent.weight, parent.id))
    siblings = sorted(child.id for _, child in tree.children(parent.id) if not child.base or child.id == term.id)
    place = siblings.index(term.id)
    hue, lightness, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in _color(tree, parent)))
    hue += _HUES_OF_KIN * ((place + 1) * _GOLDEN % 1 - 0.5)
    lightness = min(0.75, max(0.3, lightness)) + (0.0, 0.07, -0.07)[place % 3]
    return _rgb(hue % 1, lightness, max(saturation, 0.35))


def _given_color(term: Term) -> Color | None:
    for prompt in term.prompts:
        if prompt in _classes():
            return _classes()[prompt].color
    row = _others().get(term.id)
    return _rgb_of(row) if row and row["red"] else None


def _side_color(color: Color, side: str) -> Color:
    hue, _, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in color))
    return _rgb(hue, _LIGHTNESS[side], saturation)


@cache
def _classes() -> dict[str, CodedEntry]:
    with resource("Anatomy", "terms.csv").open(encoding="utf-8", newline="") as file:
        return {row["term"]: _entry(row) for row in csv.DictReader(file)}


@cache
def _others() -> dict[str, dict[str, str]]:
    with resource("Anatomy", "codes.csv").open(encoding="utf-8", newline="") as file:
        return {row["uberon"]: row for row in csv.DictReader(file)}


def _entry(row: dict[str, str]) -> CodedEntry:
    if row["type"]:
        kind = Code("SCT", row["type"], row["type_meaning"])
    elif row["uberon"]:
        kind = Code("UBERON", row["uberon"], row["name"] or row["term"])
    else:
        kind = _TISSUE
    category = _ANATOMY if kind.scheme == "UBERON" else _CATEGORIES[row["category"]]
    region = Code("SCT", row["region"], row["region_meaning"]) if row["region"] else None
    sides = _SIDE_OF_VALUE[row["modifier"]], _SIDE_OF_VALUE[row["region_modifier"]]
    return CodedEntry(category, kind, sides[0], _rgb_of(row), region, sides[1])


def _rgb_of(row: dict[str, str]) -> Color:
    return int(row["red"]), int(row["green"]), int(row["blue"])


def _unknown(term: str) -> CodedEntry:
    side, _, structure = term.partition(" ")
    if side not in _SIDES or not structure:
        side, structure = "", term
    # Python's own hash() differs from process to process.
    hue = int.from_bytes(blake2b(structure.encode(), digest_size=2).digest(), "big") / 2**16
    return CodedEntry(_TISSUE, _TISSUE, _SIDES.get(side), _rgb(hue, _LIGHTNESS[side], _SATURATION))


def _rgb(hue: float, lightness: float, saturation: float) -> Color:
    red, green, blue = (round(255 * channel) for channel in colorsys.hls_to_rgb(hue, lightness, saturation))
    return red, green, blue
