"""DICOM codes and recommended colours of anatomical terms.

Codes come from `terms.csv` (SAT's classes) and `codes.csv` (other terms), both SNOMED CT as 3D Slicer, DICOM and
TotalSegmentator use it. A term without one keeps Uberon's own code, which DICOM knows as the scheme UBERON.
"""

from __future__ import annotations

import colorsys
import csv
import re
from dataclasses import astuple, dataclass, replace
from functools import cache
from hashlib import blake2b

from ..resources import resource
from .groups import LESIONS
from .relations import LOCATED_IN
from .search import term_index
from .tree import KnowledgeTree, Term, knowledge_tree
from .words import split

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
_LESION = Code("SCT", "49755003", "Morphologically Altered Structure")
_CATEGORIES = {
    category.value: category
    for category in (
        _ANATOMY,
        _LESION,
        Code("SCT", "91720002", "Body Substance"),
        _TISSUE,
    )
}
_SIDES = {"left": Code("SCT", "7771000", "Left"), "right": Code("SCT", "24028007", "Right")}
_SIDE_OF_CODE = {f"{code.scheme}^{code.value}": side for side, code in _SIDES.items()}
_SIDE_OF_VALUE = {"": None} | {side.value: side for side in _SIDES.values()}

# As in the table: the left lighter than the right, both lighter than the structure without side.
_LIGHTNESS = {"left": 0.65, "right": 0.58, "": 0.51}
_SATURATION = 0.5
_GOLDEN = 0.618034  # spreads any number of siblings
_HUES_OF_KIN = 0.24  # how much of the circle the parts and kinds of one structure share

_SIDE_WORD = re.compile(r"\b(left|right)\b")
# as people write codes: "UBERON:0002107", "SCT 64033007", "left 64033007"
_WRITTEN = re.compile(
    r"(?P<before>(?:left|right)\s+)?"
    r"(?:(?:(?:sct|snomed)(?:[\s-]?ct)?[\s:^]*)?(?P<sct>\d{6,18})|uberon[\s:^_]+(?:uberon:)?(?P<uberon>\d{7}))"
    r"(?P<after>\s+(?:left|right))?"
)
_LONGEST_MEANING = 64  # characters of DICOM's LO

_TYPE_CONTEXT = "Segmentation category and type - 3D Slicer General Anatomy list"
_REGION_CONTEXT = "Anatomic codes - DICOM master list"


def coded_entry(term: str | Term) -> CodedEntry:
    """The code and colour of a term, or of what the knowledge tree knows by a name, whatever its case and spacing.

    What has no code of its own is "Tissue" in the region of the nearest whole that has; what is unknown is
    "Tissue", like a new segment in 3D Slicer, with the side it begins with and a colour that is always the same for it.
    """
    if isinstance(term, str):
        name = " ".join(term.lower().split())
        if name in _classes():
            return _classes()[name]
        tree = knowledge_tree()
        known = tree.named(name) or _called(name)
        if known is None:
            return _unknown(name)
        term = known
    return _of_term(knowledge_tree(), term)


def coded_terms(code: str) -> list[Term]:
    """The terms of the tree that a code stands for, the most asked-for first.

    Args:
        code: `scheme^value` of the type; after "~" the side's, the region's and its side's, each of which may be empty:
            "SCT^64033007~SCT^7771000" is a left kidney, "UBERON^UBERON:0002107" the liver.
    """
    parts = (*code.split("~"), "", "", "")[:4]
    scheme, _, value = parts[0].partition("^")
    if scheme == "UBERON":
        tree = knowledge_tree()
        side = _SIDE_OF_CODE.get(parts[1], "")
        if value not in tree:
            return []
        term = tree.side_of(value, side) if side and not tree[value].side else tree[value]
        return [term] if term and side in ("", term.side) else []
    return _terms_of_codes().get(parts, [])


def terms_of_written(text: str) -> list[Term] | None:
    """The terms that a code stands for as a person writes it, the most asked-for first; None where it is no code.

    Args:
        text: Such as "UBERON:0002107" or "SCT 64033007 left", in any case.
    """
    code = _WRITTEN.fullmatch(text.strip().lower())
    if code is None:
        return None
    sides = {side.strip() for side in (code["before"], code["after"]) if side}
    if len(sides) > 1:
        return []
    written = f"SCT^{code['sct']}" if code["sct"] else f"UBERON^UBERON:{code['uberon']}"
    return coded_terms("~".join([written, *(f"SCT^{_SIDES[side].value}" for side in sides)]))


def terminology_string(entry: CodedEntry) -> str:
    """`entry` as the value of 3D Slicer's segment tag `TerminologyEntry`."""
    kind = (_written(code) for code in (entry.category, entry.type, entry.modifier))
    place = (_written(code) for code in (entry.region, entry.region_modifier))
    return "~".join((_TYPE_CONTEXT, *kind, _REGION_CONTEXT, *place))


def _called(name: str) -> Term | None:
    """The term that has this name among its synonyms, if it is one only."""
    words, side = split(name)
    found = {}
    for term, said in term_index().exact(words):
        sided = term if said == side else knowledge_tree().side_of(term.id, side) if not said else None
        if sided:
            found[sided.id] = sided
    return next(iter(found.values())) if len(found) == 1 else None


def _written(code: Code | None) -> str:
    return "^".join(astuple(code)) if code else "^^"


def _of_term(tree: KnowledgeTree, term: Term) -> CodedEntry:
    for prompt in term.prompts:
        if prompt in _classes():
            return _classes()[prompt]
    if term.side and term.base and LESIONS not in term.groups:
        whole = _of_term(tree, tree[term.base])
        return replace(whole, modifier=_SIDES[term.side], color=_side_color(whole.color, term.side))
    if LESIONS in term.groups:
        return _of_lesion(tree, term)
    color = _color(tree, term)
    if row := _others().get(term.id):
        return CodedEntry(_CATEGORIES[row["category"]], Code("SCT", row["type"], row["type_meaning"]), None, color)
    if term.id.startswith("UBERON:"):
        return CodedEntry(_ANATOMY, _uberon(term.id, term.name), _SIDES.get(term.side), color)
    wholes = (_of_term(tree, above).type for above in tree.ancestors(term.id) if above.id.startswith("UBERON:"))
    region = next((code for code in wholes if code.scheme == "SCT" and code != _TISSUE), None)
    return CodedEntry(_TISSUE, _TISSUE, _SIDES.get(term.side), color, region)


def _of_lesion(tree: KnowledgeTree, term: Term) -> CodedEntry:
    """The type of the nearest coded kind, and the organ it is located in as region."""
    color = _side_color(_color(tree, tree[term.base]), term.side) if term.base else _color(tree, term)
    kinds = (
        _classes()[prompt] for above in tree.ancestors(term.id) for prompt in above.prompts if prompt in _classes()
    )
    kind = next((entry.type for entry in kinds if entry.category == _LESION and entry.type != _TISSUE), _LESION)
    places = [parent for kind_of, parent in tree.parents(term.id) if kind_of == LOCATED_IN]
    where = _of_term(tree, places[0]) if places else None
    if where is None or where.type.scheme != "SCT" or where.type == _TISSUE:
        return CodedEntry(_LESION, kind, None, color)
    return CodedEntry(_LESION, kind, None, color, where.type, _SIDES.get(term.side) or where.modifier)


def _uberon(key: str, name: str) -> Code:
    """Uberon's code, its meaning without the side, which is the modifier's, and no longer than DICOM allows."""
    return Code("UBERON", key, " ".join(_SIDE_WORD.sub("", name).split())[:_LONGEST_MEANING].rstrip())


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
def _terms_of_codes() -> dict[tuple[str, ...], list[Term]]:
    found: dict[tuple[str, ...], list[Term]] = {}
    for term in sorted(knowledge_tree(), key=lambda term: -term.weight):
        entry = _of_term(knowledge_tree(), term)
        if entry.type in (_TISSUE, _ANATOMY):  # which says nothing of what it is
            continue
        codes = (entry.type, entry.modifier, entry.region, entry.region_modifier)
        found.setdefault(tuple(f"{code.scheme}^{code.value}" if code else "" for code in codes), []).append(term)
    return found


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
        kind = _uberon(row["uberon"], row["name"] or row["term"])
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
