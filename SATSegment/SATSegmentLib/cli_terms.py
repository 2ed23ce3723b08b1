"""The command line: `satsegment terms search | show | tree | find-in | check`."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from .anatomy import coded_entry, knowledge_tree, term_index
from .anatomy.describe import description
from .anatomy.groups import GROUPS, REGION, SYSTEM
from .anatomy.mentions import find_terms
from .anatomy.search import FREE_TEXT, TERM
from .anatomy.tree import KnowledgeTree, Term
from .anatomy.vocabulary import Vocabulary, sat_classes
from .errors import InputError, SATError


def add_parser(commands) -> None:
    """Adds `terms` to the commands of `satsegment`."""
    terms = commands.add_parser("terms", help="search and show what can be asked for")
    actions = terms.add_subparsers(required=True, metavar="ACTION")

    search = actions.add_parser("search", help="find a term by what you would type")
    search.set_defaults(run=_search)
    search.add_argument("query", help='such as "rt kidney", IVC, oesophagus')
    search.add_argument("--modality", help="ct, mri, pet or us: what is trained for it comes first")
    search.add_argument("--model", default="sat-tiny", help="whose trained terms come first (default: sat-tiny)")
    search.add_argument("--limit", type=int, default=10)
    search.add_argument("--json", action="store_true")

    show = actions.add_parser("show", help="all that is known of a term")
    show.set_defaults(run=_show)
    show.add_argument("term", help="its id or name")
    show.add_argument("--json", action="store_true")

    tree = actions.add_parser("tree", help="browse the tree")
    tree.set_defaults(run=_tree)
    tree.add_argument("start", nargs="?", help="id or name of a term or group; without it, regions and systems")
    tree.add_argument("--depth", type=int, default=1, help="levels below it (default: 1)")

    find = actions.add_parser("find-in", help="find the terms a text mentions")
    find.set_defaults(run=_find_in)
    find.add_argument("file", type=Path, help="text file, or - for what is typed or piped in")
    find.add_argument("--json", action="store_true")

    check = actions.add_parser("check", help="counts, and what is wrong with the tree")
    check.set_defaults(run=_check)


def _search(options: argparse.Namespace) -> None:
    from .imaging import modality_of_word

    if options.limit < 1:
        raise InputError("--limit must be at least 1.")
    modality = modality_of_word(options.modality) if options.modality else None
    hits = term_index().search(options.query, _vocabulary(options.model), modality, options.limit)
    if options.json:
        print(json.dumps([_hit(hit) for hit in hits], indent=2, ensure_ascii=False))
        return
    for hit in hits:
        if hit.kind == FREE_TEXT:
            print(f'"{hit.name}" as free text')
            continue
        name = f"{hit.name} ({hit.matched})" if hit.matched else hit.name
        key = hit.term.id if hit.term else hit.group.id if hit.group else ""
        print(f"{name:44} {' '.join(hit.trained).upper():8} {key:22} {' > '.join(hit.path)}".rstrip())


def _hit(hit) -> dict:
    values = {"kind": hit.kind, "name": hit.name, "matched": hit.matched, "trained": list(hit.trained)}
    if hit.kind == TERM:
        values |= {"id": hit.term.id, "path": list(hit.path), "groups": list(hit.term.groups), **_codes(hit.term)}
    return values


def _vocabulary(name: str) -> Vocabulary:
    from .models import find_model
    from .models.folder import read_terms

    model = find_model(name)
    trained = [(term.term, term.modality) for term in read_terms(model.folder)] if model.installed else []
    return Vocabulary(knowledge_tree(), sat_classes() if model.hub and not trained else trained)


def _codes(term: Term) -> dict:
    entry = coded_entry(term)
    codes = {
        part: None if (code := getattr(entry, part)) is None else [code.scheme, code.value, code.meaning]
        for part in ("category", "type", "modifier", "region", "region_modifier")
    }
    return {"codes": codes, "color": list(entry.color)}


def _find(tree: KnowledgeTree, name: str) -> Term:
    if term := tree.named(name):
        return term
    hits = [hit for hit in term_index().search(name, limit=3) if hit.term]
    if hits and hits[0].matched.lower() == name.lower():
        return hits[0].term
    near = f" Near are: {', '.join(f'{hit.name} ({hit.term.id})' for hit in hits)}." if hits else ""
    raise InputError(f'There is no term "{name}" in the knowledge tree.{near}')


def _show(options: argparse.Namespace) -> None:
    tree = knowledge_tree()
    term = _find(tree, options.term)
    related = {
        "parents": [[kind, other.name, other.id] for kind, other in tree.parents(term.id)],
        "children": [[kind, other.name, other.id] for kind, other in tree.children(term.id)],
        "contains": [["contains", other.name, other.id] for other in tree.contains(term.id)],
        "adjacent": [["adjacent to", other.name, other.id] for other in tree.adjacent(term.id)],
    }
    counterpart = tree.counterpart(term.id)
    values = {
        "id": term.id,
        "name": term.name,
        "description": description(tree, term.id),
        "synonyms": list(term.synonyms),
        "sat_classes": list(term.prompts),
        "counterpart": counterpart.name if counterpart else None,
        "groups": [GROUPS[group].name for group in term.groups],
        "path": tree.path(term.id),
        **_codes(term),
        **related,
    }
    if options.json:
        print(json.dumps(values, indent=2, ensure_ascii=False))
        return
    print(f"{term.name}  ({term.id})\n{values['description']}\n")
    for title, text in (
        ("path", " > ".join(values["path"])),
        ("groups", ", ".join(values["groups"])),
        ("synonyms", "; ".join(term.synonyms)),
        ("SAT classes", "; ".join(term.prompts)),
        ("counterpart", values["counterpart"] or ""),
        ("codes", "; ".join(f"{part} {' '.join(code)}" for part, code in values["codes"].items() if code)),
        ("color", " ".join(map(str, values["color"]))),
        *((title, "; ".join(f"{kind} {name}" for kind, name, _ in rows)) for title, rows in related.items()),
    ):
        if text:
            print(f"{title:12} {text}")


def _tree(options: argparse.Namespace) -> None:
    if options.depth < 0:
        raise InputError("--depth must be 0 or more.")
    tree = knowledge_tree()
    if options.start is None:
        for kind in (REGION, SYSTEM):
            for group in tree.roots(kind):
                print(f"{group.name}  ({group.id}, {len(tree.members(group.id))} terms)")
                _print_group(tree, group.id, 1, options.depth - 1)
    elif start := _group_key(options.start):
        tree.members(start)  # says so where there is none
        print(" > ".join(GROUPS[key].name for key in start.split("/")))
        _print_group(tree, start, 1, options.depth)
    else:
        _print_terms(tree, [_find(tree, options.start)], 0, options.depth)


def _group_key(name: str) -> str:
    """The key of a group or section, or of the group that is called so; empty where there is none."""
    if name.startswith((f"{REGION}:", f"{SYSTEM}:")):
        return name
    return next((key for key, group in GROUPS.items() if group.name.lower() == name.lower()), "")


def _print_group(tree: KnowledgeTree, key: str, level: int, depth: int) -> None:
    if depth <= 0:
        return
    if "/" in key:
        _print_terms(tree, tree.top(key), level, depth - 1)
        return
    for section in tree.sections(GROUPS[key]):
        name = GROUPS[section.partition("/")[2]].name
        print(f"{'  ' * level}{name}  ({section}, {len(tree.members(section))} terms)")
        _print_group(tree, section, level + 1, depth - 1)


def _print_terms(tree: KnowledgeTree, terms: list[Term], level: int, depth: int) -> None:
    for term in terms:
        print(f"{'  ' * level}{term.name}  ({term.id})")
        if depth > 0:
            _print_terms(tree, [child for _, child in tree.children(term.id)], level + 1, depth - 1)


def _find_in(options: argparse.Namespace) -> None:
    try:
        text = sys.stdin.read() if str(options.file) == "-" else options.file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"There is no file {options.file}.") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise InputError(f"{options.file} is no UTF-8 text file.") from None
    mentions = find_terms(text)
    if options.json:
        rows = [
            {
                "start": mention.start,
                "end": mention.end,
                "text": mention.text,
                "id": mention.term.id,
                "name": mention.term.name,
                "negated": mention.negated,
            }
            for mention in mentions
        ]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for mention in mentions:
        no = "  negated" if mention.negated else ""
        print(f"{mention.start:6} {mention.text:36} {mention.term.name} ({mention.term.id}){no}")


def _check(options: argparse.Namespace) -> None:
    tree = knowledge_tree()
    print(f"{tree.source}\n{len(tree)} terms, {sum(len(term.synonyms) for term in tree)} synonyms")
    kinds = Counter(kind for term in tree for kind, _ in term.relations)
    print("relations: " + ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()))
    print(f"{sum(bool(tree.counterpart(term.id)) for term in tree)} terms have a counterpart on the other side")
    for kind in (REGION, SYSTEM):
        print(f"{kind}s: " + ", ".join(f"{group.name} {len(tree.members(group.id))}" for group in tree.roots(kind)))
    classes = [(name, tree.named(name)) for name in sorted({name for name, _ in sat_classes()})]
    placed = [term for _, term in classes if term]
    schemes = Counter(coded_entry(name).type.scheme if _coded(name) else "none" for name, _ in classes)
    print(
        f"SAT: {len(placed)} of {len(classes)} class names have a place, "
        f"{sum(term.id.startswith('UBERON:') for term in placed)} of them by an Uberon term or a side of one; "
        f"{schemes['SCT']} have a SNOMED CT type, {schemes['UBERON']} a code of Uberon, {schemes['none']} none"
    )
    schemes = Counter(coded_entry(term).type.scheme if _coded(term) else "none" for term in tree)
    print(f"codes: {schemes['SCT']} terms SNOMED CT, {schemes['UBERON']} Uberon, {schemes['none']} none")
    problems = tree.check() + [f'SAT class "{name}" has no place.' for name, term in classes if term is None]
    for problem in problems:
        print(problem)
    if problems:
        raise SATError(f"The tree has {len(problems)} problems.")
    print("no circle, no orphan, every relation leads to a term")


def _coded(term: str | Term) -> bool:
    """Whether the type says more than "Tissue"."""
    return coded_entry(term).type.value != "85756007"
