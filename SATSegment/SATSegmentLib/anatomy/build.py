"""Makes `Resources/Anatomy/tree.json.gz`: `python -m SATSegmentLib.anatomy.build [--obo FILE] [--output FILE]`.

From Uberon comes what `scope` leaves of it: names, synonyms, relations. The tables beside the file add the rest:

    terms.csv        SAT's classes: the Uberon term each one is, or its own place where Uberon has none
    sat_classes.csv  modality and region of SAT's classes, and how many of SAT's data sets have them
    names.csv        names of human anatomy for what Uberon calls by a name for all vertebrates
    added.csv        structures and findings that Uberon lacks
    paired.csv       structures that get a left and a right, where Uberon has none
    synonyms.csv     abbreviations, lay and Latin names that Uberon lacks
    languages.csv    German, French, Spanish, Chinese and Korean names of common organs

The same input gives the same bytes. Definitions are read to choose terms and to tell kinds from wholes; they are not
stored.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import math
import re
import sys
from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError, SATError
from ..resources import resource
from .groups import GROUPS, LESIONS, OTHER, REGION, REGIONS, SYSTEM, SYSTEMS, WHOLE_BODY
from .kinds import with_kinds
from .relations import ADJACENT, CONTAINS, IS_A, KINDS, PART_OF, UPWARD, WITHIN
from .scope import why_left_out
from .sources import SourceTerm, ancestors, read_obo, read_uberon, uberon_version
from .tree import FORMAT, Term

LESION = "SAT:lesion"
_SIDES = ("left", "right")
_SIDE_OF_CODE = {"7771000": "left", "24028007": "right"}
_SIDE_WORD = re.compile(r"\b(left|right)\b", re.IGNORECASE)
_FALLBACKS = {REGION: WHOLE_BODY, SYSTEM: OTHER}
# Superior vena cava, colic artery: what Uberon calls left and right of them are no pair.
_NO_PAIR = frozenset(("UBERON:0001585", "UBERON:0035548"))
_OF_A_SIDE = re.compile(r" of (left|right) (kidney|eye|lung)$")
_MANY = 99


@dataclass
class _Draft:
    """A term in the making; see `tree.Term`."""

    name: str
    synonyms: set[str] = field(default_factory=set)
    prompts: list[str] = field(default_factory=list)
    relations: dict[str, str] = field(default_factory=dict)  # id of the other: kind
    side: str = ""
    base: str = ""
    groups: set[str] = field(default_factory=set)
    weight: int = 0


def build(source: Mapping[str, SourceTerm]) -> list[Term]:
    """The tree's terms from Uberon's and the tables.

    Raises:
        InputError: A table refers to what does not exist.
    """
    left_out = why_left_out(source)
    drafts = _from_uberon(source, left_out)
    _name_teeth(drafts)
    _mark_sides(drafts)
    _rename(drafts, {row["id"]: row["name"] for row in _table("names") if row["id"] in source})
    keys = _add_sat(drafts, _table("terms"))
    added = _add_own(drafts, keys, _table("added"))
    _add_sides(drafts, [row["id"] for row in _table("paired")] + added)
    _lift_sides(drafts)
    for table, column in (("synonyms", "synonym"), ("languages", "name")):
        _add_names(drafts, [(row["term"], row[column]) for row in _table(table)])
    _group(drafts, source, _table("sat_classes"))
    _weigh(drafts, {row["uberon"] for row in _table("codes")})
    return [_finished(key, drafts[key]) for key in sorted(drafts)]


def pack(terms: Iterable[Term], source: str) -> bytes:
    """The content of the tree's file."""
    terms = list(terms)
    row_of = {term.id: row for row, term in enumerate(terms)}
    groups = list(GROUPS)
    rows = [
        [
            term.id,
            term.name,
            term.synonyms,
            term.prompts,
            [[KINDS.index(kind), row_of[other]] for kind, other in term.relations],
            term.side,
            row_of[term.base] if term.base else -1,
            sorted(groups.index(group) for group in term.groups),
            term.weight,
        ]
        for term in terms
    ]
    values = {"format": FORMAT, "source": source, "kinds": KINDS, "groups": groups}
    head = json.dumps(values, ensure_ascii=False)[:-1]
    body = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    text = f'{head}, "terms": [\n{body}\n]}}\n'
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, mtime=0) as file:
        file.write(text.encode())
    return packed.getvalue()


def _from_uberon(source: Mapping[str, SourceTerm], left_out: Mapping[str, str]) -> dict[str, _Draft]:
    """What is kept, each term below its nearest kept ancestors only."""
    kinds = with_kinds(source)
    above = ancestors(source)
    climbed: dict[str, dict[str, str]] = {}

    def climb(key: str) -> dict[str, str]:
        """The nearest kept terms above, with the weakest kind of the way there."""
        if key not in climbed:
            found: dict[str, str] = {}
            for parent, kind in kinds[key].items():
                steps = (
                    {parent: kind}
                    if parent not in left_out
                    else {other: _joined(kind, further) for other, further in climb(parent).items()}
                )
                for other, step in steps.items():
                    found[other] = min(found.get(other, step), step, key=_strength)
            climbed[key] = found
        return climbed[key]

    drafts = {}
    for key in source:
        if key in left_out:
            continue
        near = climb(key)
        farther = {other for parent in near for other in above[parent]}
        relations = {other: kind for other, kind in near.items() if other not in farther}
        relations |= {
            o: kind for kind, o in source[key].relations if kind == ADJACENT and o in source and o not in left_out
        }
        drafts[key] = _Draft(source[key].name, set(source[key].synonyms), relations=relations)
    return drafts


def _joined(first: str, second: str) -> str:
    """The kind of a relation over two steps: a part of a kind is a part; one doubtful step makes it doubtful."""
    return max(first, second, key=_strength)


def _strength(kind: str) -> int:
    return (IS_A, PART_OF, WITHIN).index(kind)


def _name_teeth(drafts: Mapping[str, _Draft]) -> None:
    """A tooth that is not called a milk tooth is a permanent one."""
    for draft in drafts.values():
        if draft.name.endswith(" tooth"):
            if " secondary " in draft.name:
                draft.synonyms |= {draft.name.replace(" secondary", ""), draft.name.replace("secondary", "permanent")}
            draft.synonyms |= {
                draft.name.replace("primary", other) for other in ("deciduous", "milk") if " primary " in draft.name
            }


def _mark_sides(drafts: Mapping[str, _Draft]) -> None:
    """Finds Uberon's own left and right terms: what is named like another term but for the side, on both sides."""
    names = {draft.name.lower(): key for key, draft in reversed(drafts.items())}
    found: dict[tuple[str, str], str] = {}
    for key, draft in drafts.items():
        sides = {side.lower() for side in _SIDE_WORD.findall(draft.name)}
        if len(sides) == 1 and (base := _unsided(drafts, names, draft)) and base not in (key, *_NO_PAIR):
            found.setdefault((base, sides.pop()), key)
    for (base, side), key in found.items():
        if all((base, other) in found for other in _SIDES):
            drafts[key].side, drafts[key].base = side, base
            drafts[key].relations[base] = IS_A


def _unsided(drafts: Mapping[str, _Draft], names: Mapping[str, str], draft: _Draft) -> str | None:
    unsided = " ".join(_SIDE_WORD.sub("", draft.name).lower().split())
    for parent in draft.relations:
        if unsided in map(str.lower, drafts[parent].synonyms):
            return parent
    # "renal sinus of left kidney" is the left renal sinus
    return names.get(unsided) or names.get(_OF_A_SIDE.sub("", draft.name.lower()))


def _rename(drafts: Mapping[str, _Draft], names: Mapping[str, str]) -> None:
    for key, name in names.items():
        if key not in drafts:
            raise InputError(f"names.csv: {key} is not in the tree.")
        _call(drafts[key], name)
    for draft in drafts.values():
        if draft.base in names:
            _call(draft, f"{draft.side} {names[draft.base]}")


def _call(draft: _Draft, name: str) -> None:
    """Another preferred name; the one before stays a synonym."""
    draft.synonyms.add(draft.name)
    draft.name = name


def _sided(drafts: Mapping[str, _Draft]) -> dict[tuple[str, str], str]:
    return {(draft.base, draft.side): key for key, draft in drafts.items() if draft.base}


def _side(drafts: dict[str, _Draft], sided: dict[tuple[str, str], str], base: str, side: str) -> str:
    """Id of a structure's side, made where there is none."""
    if (base, side) not in sided:
        key = f"{base}/{side}"
        drafts[key] = _Draft(f"{side} {drafts[base].name}", relations={base: IS_A}, side=side, base=base)
        sided[base, side] = key
    return sided[base, side]


def _add_sides(drafts: dict[str, _Draft], paired: Iterable[str]) -> None:
    sided = _sided(drafts)
    for base in paired:
        if base in drafts:
            for side in _SIDES:
                _side(drafts, sided, base, side)


def _lift_sides(drafts: dict[str, _Draft]) -> None:
    """A part of a side is a part of the whole's same side: the left precentral gyrus of the left frontal lobe."""
    sided = _sided(drafts)
    for key, draft in drafts.items():
        if not draft.side or (key.startswith("UBERON:") and "/" not in key):
            continue  # Uberon relates its own sides itself
        relations = {**(drafts[draft.base].relations if draft.base else {}), **draft.relations}
        for other, kind in relations.items():
            same = sided.get((other, draft.side))
            if same and kind in UPWARD and same != key and other != draft.base:
                draft.relations.pop(other, None)
                draft.relations[same] = kind


def _add_sat(drafts: dict[str, _Draft], rows: list[dict[str, str]]) -> dict[str, str]:
    """Gives every SAT class its term: Uberon's, a side of Uberon's, or one of our own; returns their ids by class."""
    drafts[LESION] = _Draft("lesion")
    keys = {"lesion": LESION}
    sided = _sided(drafts)
    for row in rows:
        side = _SIDE_OF_CODE.get(row["modifier"]) or _SIDE_OF_CODE.get(row["region_modifier"], "")
        base = row["uberon"]
        if base and base not in drafts:
            raise InputError(f'terms.csv: "{row["term"]}" is {base}, which is not in the tree.')
        if not base:
            key = f"SAT:{_slug(row['name'] or row['term'])}"
            drafts.setdefault(
                key, _Draft(row["name"] or row["term"], side=side if row["term"].startswith(side) else "")
            )
        elif side and not drafts[base].side:
            key = _side(drafts, sided, base, side)
        else:
            key = base
        keys[row["term"]] = key
        draft = drafts[key]
        if row["parents"] and base:  # better than Uberon's
            draft.relations = {other: kind for other, kind in draft.relations.items() if kind not in UPWARD}
        _call(draft, row["name"] or row["term"])
        draft.prompts.append(row["term"])
        draft.synonyms.add(row["term"])
    for row in rows:
        _relate(drafts, keys, keys[row["term"]], row["parents"])
    # the two sides of what Uberon lacks altogether know each other by the structure's name
    for key, draft in list(drafts.items()):
        if key.startswith("SAT:") and draft.side and not draft.base:
            unsided = draft.name.removeprefix(draft.side).strip()
            base = f"SAT:{_slug(unsided)}"
            if base not in drafts:
                drafts[base] = _Draft(unsided, relations=dict(_common_relations(drafts, draft)))
            draft.base = base
            draft.relations[base] = IS_A
    return keys


def _add_own(drafts: dict[str, _Draft], keys: Mapping[str, str], rows: list[dict[str, str]]) -> list[str]:
    """Adds what neither Uberon nor SAT has; returns the ids of the paired ones."""
    keys = {**keys, **{row["name"]: f"SAT:{_slug(row['name'])}" for row in rows}}
    for row in rows:
        drafts[keys[row["name"]]] = _Draft(row["name"], set(filter(None, row["synonyms"].split(";"))))
    for row in rows:
        _relate(drafts, keys, keys[row["name"]], row["parents"])
    return [keys[row["name"]] for row in rows if row["paired"] == "1"]


def _relate(drafts: Mapping[str, _Draft], keys: Mapping[str, str], key: str, relations: str) -> None:
    """Adds relations written as "part of liver;is a UBERON:0000123"."""
    for relation in filter(None, map(str.strip, relations.split(";"))):
        kind = next((kind for kind in KINDS if relation.startswith(f"{kind} ")), "")
        name = relation[len(kind) + 1 :]
        other = keys.get(name, name)
        if not kind or other not in drafts:
            raise InputError(f'A table says that {drafts[key].name} is "{relation}", which is not in the tree.')
        drafts[key].relations[other] = kind


def _common_relations(drafts: Mapping[str, _Draft], draft: _Draft) -> Iterable[tuple[str, str]]:
    """Where the structure without side belongs: where its left and right do, without their side."""
    for other, kind in draft.relations.items():
        yield drafts[other].base or other, kind


def _add_names(drafts: Mapping[str, _Draft], rows: Iterable[tuple[str, str]]) -> None:
    keys = {prompt: key for key, draft in drafts.items() for prompt in draft.prompts}
    labels: dict[str, str] = {}
    for key, draft in drafts.items():
        labels.setdefault(draft.name, key)
    for term, name in rows:
        key = term if term in drafts else keys.get(term) or labels.get(term)
        if key is None:
            raise InputError(f'A table names "{term}", which is not in the tree.')
        drafts[key].synonyms.add(name)


def _group(drafts: Mapping[str, _Draft], source: Mapping[str, SourceTerm], classes: list[dict[str, str]]) -> None:
    """Regions and systems: by Uberon's ancestors, by SAT's classes, by the name; of our own terms, by their parents.

    SAT's data sets count as weight.
    """
    above = ancestors(source)
    keys = {prompt: key for key, draft in drafts.items() for prompt in draft.prompts}
    for key, draft in drafts.items():
        if key in source:
            draft.groups = {group.id for group in (*REGIONS, *SYSTEMS) if group.holds(key, above[key])}
    for row in classes:
        draft = drafts[keys[row["term"]]]
        draft.weight += int(row["datasets"])
        named = {f"region:{region.replace(' ', '-')}" for region in row["regions"].split(";")} - {WHOLE_BODY}
        for placed in filter(None, (draft, drafts.get(draft.base))):
            placed.groups |= named
    for key, draft in drafts.items():
        if key in source and not _has(draft.groups, REGION):
            draft.groups |= {group.id for group in REGIONS if group.tells(draft.name)}
    found: dict[str, set[str]] = {}
    for key, draft in drafts.items():
        draft.groups |= _inherited(drafts, source, key, found)
    for draft in drafts.values():
        if draft.base:
            draft.groups |= drafts[draft.base].groups
        draft.groups |= {fallback for kind, fallback in _FALLBACKS.items() if not _has(draft.groups, kind)}


def _has(groups: Iterable[str], kind: str) -> bool:
    return any(group.startswith(kind) for group in groups)


def _inherited(drafts: Mapping[str, _Draft], source: Container[str], key: str, found: dict[str, set[str]]) -> set[str]:
    """The groups of a term of our own by its parents; those of Uberon's are told already."""
    if key in source:
        return drafts[key].groups
    if key == LESION:
        return {LESIONS}
    if key not in found:
        found[key] = set()
        draft = drafts[key]
        parents = [other for other, kind in draft.relations.items() if kind in UPWARD or kind == CONTAINS]
        groups = {group for other in parents for group in _inherited(drafts, source, other, found)} | draft.groups
        if LESIONS in groups:  # where it is located, but not of that system
            groups = {group for group in groups if group.startswith(REGION)} | {LESIONS}
        found[key] = groups
    return found[key]


def _weigh(drafts: Mapping[str, _Draft], coded: Collection[str]) -> None:
    """SAT's data sets first; then what DICOM has a code for, and what has many terms below it, is the better known."""
    below: dict[str, set[str]] = {}
    for key in drafts:
        for other in _all_above(drafts, key):
            below.setdefault(other, set()).add(key)
    sides: dict[str, int] = {}
    for draft in drafts.values():
        if draft.base:
            sides[draft.base] = max(sides.get(draft.base, 0), draft.weight)
    for key, draft in drafts.items():
        known = max(draft.weight, sides.get(key, 0))
        coded_bonus = 4 if key in coded or draft.base in coded else 0
        draft.weight = min(_MANY, 3 * known + coded_bonus + round(2 * math.log2(1 + len(below.get(key, ())))))


def _all_above(drafts: Mapping[str, _Draft], key: str) -> set[str]:
    found: set[str] = set()
    front = [key]
    while front:
        nexts = {o for near in front for o, kind in drafts[near].relations.items() if kind in UPWARD} - found
        found |= nexts
        front = list(nexts)
    return found


def _finished(key: str, draft: _Draft) -> Term:
    known = {draft.name.lower()}
    synonyms = []
    for synonym in sorted(draft.synonyms):
        if synonym.lower() not in known:
            known.add(synonym.lower())
            synonyms.append(synonym)
    relations = sorted((kind, other) for other, kind in draft.relations.items())
    return Term(
        key,
        draft.name,
        tuple(synonyms),
        tuple(sorted(draft.prompts)),
        tuple(relations),
        draft.side,
        draft.base,
        tuple(sorted(draft.groups)),
        draft.weight,
    )


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _table(name: str) -> list[dict[str, str]]:
    with resource("Anatomy", f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main(arguments: list[str] | None = None) -> int:
    """Builds the file; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m SATSegmentLib.anatomy.build", description=__doc__.splitlines()[0])
    parser.add_argument("--obo", type=Path, help="a full Uberon as OBO or OBO Graph file, with typed relations")
    parser.add_argument("--output", type=Path, default=resource("Anatomy", "tree.json.gz"))
    options = parser.parse_args(arguments)
    try:
        source = read_obo(options.obo) if options.obo else read_uberon()
        origin = options.obo.name if options.obo else f"Uberon {uberon_version()}"
        terms = build(source)
        temporary = options.output.with_name(f".{options.output.name}")
        temporary.write_bytes(pack(terms, f"{origin}, CC BY 3.0, https://uberon.github.io"))
        temporary.replace(options.output)
    except (SATError, OSError) as error:
        print(f"build: {error}", file=sys.stderr)
        return 2
    print(f"wrote {options.output}: {len(terms)} terms, {options.output.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
