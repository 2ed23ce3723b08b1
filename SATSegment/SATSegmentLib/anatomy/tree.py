"""The knowledge tree of human anatomy: terms, how they relate, and the groups they are browsed by.

Its file `Resources/Anatomy/tree.json.gz` is made by `anatomy.build` from Uberon (CC BY 3.0) and the tables beside it.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..resources import resource
from .groups import GROUPS, MOST_TELLING, REGION, REGIONS, SYSTEMS, Group
from .relations import ADJACENT, CONTAINS, IS_A, KINDS, LOCATED_IN, PART_OF, UPWARD, WITHIN

FORMAT = 1
_NUMBER = re.compile(r"(\d+)")


class Term(NamedTuple):
    """A structure, or a lesion, that can be asked for.

    Attributes:
        id: "UBERON:0002113"; with "/left" or "/right" for a side that Uberon has no term for; "SAT:kidney-tumor" for
            what it lacks altogether.
        name: Shown.
        synonyms: Other names.
        prompts: Names of SAT's classes that mean it; the text a model trained on them wants.
        relations: (kind, id of the other term).
        side: "left", "right" or empty.
        base: Id of the same structure without side, or empty.
        groups: Ids of its regions and systems.
        weight: How often it is asked for, roughly: 0 (rare) to 99.
    """

    id: str
    name: str
    synonyms: tuple[str, ...]
    prompts: tuple[str, ...]
    relations: tuple[tuple[str, str], ...]
    side: str
    base: str
    groups: tuple[str, ...]
    weight: int


class KnowledgeTree:
    """Terms by id, with queries over their relations.

    Args:
        terms: In the order they are listed.
        source: Where they are from, for people.
    """

    def __init__(self, terms: Iterable[Term], source: str = "") -> None:
        self.source = source
        self._terms = {term.id: term for term in terms}

    @classmethod
    def read(cls, path: Path) -> KnowledgeTree:
        """Reads a file that `anatomy.build` wrote.

        Raises:
            InputError: It is missing, damaged or of another version.
        """
        try:
            with gzip.open(path, "rt", encoding="utf-8") as file:
                values = json.load(file)
            if values["format"] != FORMAT:
                raise InputError(f"{path} is of another version of SlicerSAT; install the extension again.")
            return cls(_terms(values), values["source"])
        except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} is missing or damaged ({error}); install the extension again.") from error

    def __len__(self) -> int:
        return len(self._terms)

    def __iter__(self) -> Iterator[Term]:
        return iter(self._terms.values())

    def __contains__(self, key: str) -> bool:
        return key in self._terms

    def __getitem__(self, key: str) -> Term:
        """The term of an id.

        Raises:
            InputError: There is none.
        """
        try:
            return self._terms[key]
        except KeyError:
            raise InputError(f'There is no term "{key}" in the knowledge tree.') from None

    def named(self, name: str) -> Term | None:
        """The term with this id, SAT class name or preferred name, whatever the case; synonyms are the search's."""
        return self._by_name.get(" ".join(name.lower().split()))

    def parents(self, key: str) -> list[tuple[str, Term]]:
        """The next broader terms: (kind of relation, term)."""
        return [(kind, self._terms[other]) for kind, other in self[key].relations if kind in UPWARD]

    def children(self, key: str) -> list[tuple[str, Term]]:
        """The next narrower terms: (kind of relation from them, term), SAT's classes first, then by name."""
        self[key]
        return [(kind, self._terms[other]) for kind, other in self._children.get(key, ())]

    def contains(self, key: str) -> list[Term]:
        """Its direct parts: what says to be part of it, and what it names as its own."""
        own = [self._terms[other] for kind, other in self[key].relations if kind == CONTAINS]
        return own + [child for kind, child in self.children(key) if kind == PART_OF]

    def adjacent(self, key: str) -> list[Term]:
        """What the source says lies next to it."""
        own = {other for kind, other in self[key].relations if kind == ADJACENT}
        return [self._terms[other] for other in sorted(own | self._adjacent_from.get(key, set()))]

    def side_of(self, key: str, side: str) -> Term | None:
        """The same structure on a side ("left", "right", or "" for without side), or None where there is none."""
        term = self[key]
        if term.side == side:
            return term
        base = term.base or term.id
        return self._terms.get(base) if not side else self._sides.get((base, side))

    def counterpart(self, key: str) -> Term | None:
        """The same structure on the other side, or None."""
        side = {"left": "right", "right": "left"}.get(self[key].side)
        return self.side_of(key, side) if side else None

    def ancestors(self, key: str) -> list[Term]:
        """All broader terms, the nearest first."""
        return self._walk(key, lambda near: (other for kind, other in self._terms[near].relations if kind in UPWARD))

    def descendants(self, key: str) -> list[Term]:
        """All narrower terms of a term or, by its id, all terms of a group; the nearest first."""
        if key in GROUPS or "/system:" in key or "/region:" in key:
            return self.members(key)
        return self._walk(key, lambda near: (other for _, other in self._children.get(near, ())))

    def roots(self, kind: str) -> list[Group]:
        """The groups of a kind (REGION, SYSTEM) that hold terms."""
        groups = REGIONS if kind == REGION else SYSTEMS
        return [group for group in groups if group.id in self._members]

    def sections(self, group: Group) -> list[str]:
        """Ids of a root's parts: a region's by system ("region:thorax/system:muscular"), a system's by region."""
        others = SYSTEMS if group.kind == REGION else REGIONS
        return [f"{group.id}/{other.id}" for other in others if self.members(f"{group.id}/{other.id}")]

    def members(self, group: str) -> list[Term]:
        """All terms of a group or of a section.

        Raises:
            InputError: There is no such group.
        """
        keys = group.split("/")
        for key in keys:
            if key not in GROUPS:
                raise InputError(f'There is no group "{key}"; there are {", ".join(GROUPS)}.')
        terms = self._members.get(keys[0], [])
        return [term for term in terms if all(key in term.groups for key in keys[1:])]

    def top(self, section: str) -> list[Term]:
        """The terms of a group or section that none of its other terms is above; sides are below their structure."""
        members = self.members(section)
        inside = {term.id for term in members}
        return [term for term in members if not any(above.id in inside for above in self.ancestors(term.id))]

    def path(self, key: str) -> list[str]:
        """Names from the region down to the term's nearest whole or kind in it, without the term itself."""
        region = next(group for part in MOST_TELLING if (group := f"{REGION}:{part}") in self[key].groups)
        line: list[str] = []
        seen = {key}
        while step := self._main_parent(key, region, seen):
            line.append(step.name)
            key = step.id
            seen.add(key)
        name = GROUPS[region].name
        return [name] + [other for other in reversed(line) if other.lower() != name.lower()]

    def check(self) -> list[str]:
        """What is wrong with the tree, a sentence each; empty when it is sound."""
        names = Counter(term.name.lower() for term in self)
        problems = [f'{count} terms are called "{name}".' for name, count in names.items() if count > 1]
        for term in self:
            for kind, other in term.relations:
                if kind not in KINDS or other not in self._terms:
                    problems.append(f"{term.id} ({term.name}) is {kind} {other}, which does not exist.")
            if not any(key in GROUPS for key in term.groups):
                problems.append(f"{term.id} ({term.name}) is in no group, so it reaches no root.")
            if term.base and (term.base not in self._terms or not term.side):
                problems.append(f"{term.id} ({term.name}) is a side of {term.base}, which does not exist.")
        return problems or [f"{key} lies above itself." for key in self._terms if self._in_circle(key)]

    def _in_circle(self, key: str) -> bool:
        return any(above.id == key for above in self.ancestors(key))

    def _main_parent(self, key: str, region: str, seen: set[str]) -> Term | None:
        """The one parent shown in paths: the whole before the kind, the more asked-for before the rarer."""
        order = {PART_OF: 0, LOCATED_IN: 0, IS_A: 1, WITHIN: 2}
        parents = [(kind, parent) for kind, parent in self.parents(key) if parent.id not in seen]
        ranked = [(order[kind], -parent.weight, parent.id) for kind, parent in parents if region in parent.groups]
        return self._terms[min(ranked)[-1]] if ranked else None

    def _walk(self, key: str, step) -> list[Term]:
        self[key]
        found: dict[str, None] = {}
        front = [key]
        while front:
            nexts = [other for near in front for other in step(near) if other in self._terms]
            front = [other for other in dict.fromkeys(nexts) if other not in found]
            found.update(dict.fromkeys(front))
        return [self._terms[other] for other in found]

    @cached_property
    def _by_name(self) -> dict[str, Term]:
        names: dict[str, Term] = {}
        for pick in (lambda term: (term.id,), lambda term: term.prompts, lambda term: (term.name,)):
            for term in sorted(self, key=lambda term: -term.weight):
                for name in pick(term):
                    names.setdefault(name.lower(), term)
        return names

    @cached_property
    def _children(self) -> dict[str, list[tuple[str, str]]]:
        children: dict[str, list[tuple[str, str]]] = {}
        for term in sorted(self, key=_listed):
            for kind, other in term.relations:
                if kind in UPWARD:
                    children.setdefault(other, []).append((kind, term.id))
        return children

    @cached_property
    def _adjacent_from(self) -> dict[str, set[str]]:
        adjacent: dict[str, set[str]] = {}
        for term in self:
            for kind, other in term.relations:
                if kind == ADJACENT:
                    adjacent.setdefault(other, set()).add(term.id)
        return adjacent

    @cached_property
    def _sides(self) -> dict[tuple[str, str], Term]:
        return {(term.base, term.side): term for term in self if term.base}

    @cached_property
    def _members(self) -> dict[str, list[Term]]:
        members: dict[str, list[Term]] = {}
        for term in sorted(self, key=_listed):
            for group in term.groups:
                members.setdefault(group, []).append(term)
        return members


@cache
def knowledge_tree() -> KnowledgeTree:
    """The tree that comes with the extension."""
    return KnowledgeTree.read(resource("Anatomy", "tree.json.gz"))


def _listed(term: Term) -> tuple:
    """SAT's classes before others, names in the order a person would put them: rib 2 before rib 10."""
    parts = _NUMBER.split(term.name.lower())
    return not term.prompts, [(part.isdecimal(), int(part) if part.isdecimal() else part) for part in parts]


def _terms(values: dict) -> Iterator[Term]:
    """Rows as `build.pack` writes them: ids are referred to by their row, kinds and groups by their place in a list."""
    rows, kinds, groups = values["terms"], values["kinds"], values["groups"]
    ids = [row[0] for row in rows]
    for key, name, synonyms, prompts, relations, side, base, places, weight in rows:
        yield Term(
            key,
            name,
            tuple(synonyms),
            tuple(prompts),
            tuple((kinds[kind], ids[other]) for kind, other in relations),
            side,
            ids[base] if base >= 0 else "",
            tuple(groups[place] for place in places),
            weight,
        )
