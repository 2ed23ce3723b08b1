"""Says in words what a term is: its definition where a source is installed, else what the relations tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from ..errors import InputError
from .groups import GROUPS, SYSTEM
from .relations import IS_A, LOCATED_IN, PART_OF, WITHIN
from .sources import read_uberon
from .tree import KnowledgeTree, Term

_SHOWN = 5
_GENERATED = "[Automatically generated definition]"  # says less than the relations do


def description(tree: KnowledgeTree, key: str) -> str:
    """A sentence on a term.

    Uberon's definition where the package `cellxgene-ontology-guide` is installed; without it, what the term's relations
    say: "Part of the upper urinary tract; has the renal pelvis, the cortex of kidney; left and right."

    Raises:
        InputError: There is no such term.
    """
    term = tree[key]
    return installed_definitions().get(key) or composed(tree, term)


@cache
def installed_definitions() -> Mapping[str, str]:
    """Definitions by Uberon id, of the package `cellxgene-ontology-guide`; empty where it is not installed."""
    try:
        terms = read_uberon().items()
        return {key: term.definition for key, term in terms if term.definition and _GENERATED not in term.definition}
    except InputError:
        return {}


def composed(tree: KnowledgeTree, term: Term) -> str:
    """What the relations of a term tell, as a sentence."""
    parents = tree.parents(term.id)
    of = {
        kind: [parent.name for other, parent in parents if other == kind]
        for kind in (IS_A, PART_OF, WITHIN, LOCATED_IN)
    }
    systems = [GROUPS[group].name.lower() for group in term.groups if group.startswith(SYSTEM)]
    clauses = []
    if term.side and term.base:
        clauses.append(f"the {term.side} {tree[term.base].name}")
    elif of[IS_A]:
        clauses.append(f"a kind of {_listed(of[IS_A], '')}")
    if of[PART_OF]:
        clauses.append(f"part of {_listed(of[PART_OF])}")
    if of[LOCATED_IN]:
        clauses.append(f"located in {_listed(of[LOCATED_IN])}")
    if of[WITHIN]:
        clauses.append(f"belongs to {_listed(of[WITHIN])}")
    if not clauses:
        clauses.append(f"listed under {_listed(systems, '')}")
    if parts := [part.name for part in tree.contains(term.id) if part.side == term.side]:
        clauses.append(f"has {_listed(parts)}")
    if near := [other.name for other in tree.adjacent(term.id)]:
        clauses.append(f"next to {_listed(near)}")
    if not term.side and all(tree.side_of(term.id, side) for side in ("left", "right")):
        clauses.append("left and right")
    text = "; ".join(clauses)
    return f"{text[0].upper()}{text[1:]}."


def _listed(names: Iterable[str], article: str = "the ") -> str:
    names = list(names)
    shown = [f"{article}{name}" for name in names[:_SHOWN]]
    return ", ".join(shown) + (" …" if len(names) > _SHOWN else "")
