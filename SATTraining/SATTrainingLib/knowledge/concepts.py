"""What the knowledge tree teaches of each structure: its names, its description, and what is said of it."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from SATSegmentLib.anatomy import KnowledgeTree, Term
from SATSegmentLib.anatomy.describe import composed, installed_definitions
from SATSegmentLib.anatomy.groups import MOST_TELLING, REGION
from SATSegmentLib.anatomy.relations import ADJACENT, CONTAINS, IS_A, LOCATED_IN, PART_OF, WITHIN
from SATSegmentLib.resources import resource

# What is said of a term by its relation to another, and of the other by the same relation
_WORDS = {
    IS_A: ("a kind of {}", "the broader term for {}"),
    PART_OF: ("part of the {}", "has the part {}"),
    WITHIN: ("belongs to the {}", "comprises the {}"),
    LOCATED_IN: ("located in the {}", "the site of {}"),
    CONTAINS: ("has the part {}", "part of the {}"),
    ADJACENT: ("next to the {}", "next to the {}"),
}
_WORDS_READ = 24  # of a description; what matters is said first
_SIDED = ("{side} {name}", "{name} {side}", "{letter} {name}")


@dataclass(frozen=True)
class Concept:
    """A term of the tree.

    Attributes:
        id: Of the term.
        family: Shared by the sides of a structure, and by structures with a name in common: what must not be parted by
            a split.
        name: Lower case.
        synonyms: Other English and Latin names, lower case, that no other structure has; of a side also those of the
            structure with the side before, behind, and as a letter.
        side: "left", "right" or empty.
        descriptions: Sentences that say what it is, lower case.
        region: Id of the group it lies in.
    """

    id: str
    family: str
    name: str
    synonyms: tuple[str, ...]
    side: str
    descriptions: tuple[str, ...]
    region: str


@dataclass(frozen=True)
class Statement:
    """A relation and a term in words, such as "part of the kidney".

    Attributes:
        text: Lower case.
        heads: Ids of all terms it is said of.
        others: Ids of the terms it names.
    """

    text: str
    heads: frozenset[str]
    others: frozenset[str]


@dataclass(frozen=True)
class Knowledge:
    """All that is taught, or a part of it.

    Attributes:
        concepts: In the order of the tree.
        statements: In the order of their texts.
    """

    concepts: tuple[Concept, ...]
    statements: tuple[Statement, ...]

    def texts(self) -> list[str]:
        """All texts, each once."""
        texts = [text for c in self.concepts for text in (c.name, *c.synonyms, *c.descriptions)]
        return sorted({*texts, *(statement.text for statement in self.statements)})


def knowledge_of(tree: KnowledgeTree) -> Knowledge:
    """What a tree teaches."""
    foreign = _foreign()
    names = {term.id: _names(tree, term, foreign) for term in tree}
    owners: dict[str, set[str]] = defaultdict(set)
    for key, own in names.items():
        for name in own:
            owners[name].add(key)
    families = _families(tree, owners.values())
    definitions = installed_definitions()
    concepts = []
    for term in tree:
        name, *others = names[term.id]
        synonyms = tuple(other for other in others if len(owners[other]) == 1)
        descriptions = [definitions[term.id]] if term.id in definitions else []
        if not term.side:  # of a side it only says again which
            descriptions.append(composed(tree, term))
        region = next(group for part in MOST_TELLING if (group := f"{REGION}:{part}") in term.groups)
        lowered = tuple(" ".join(text.lower().split()[:_WORDS_READ]) for text in descriptions)
        concepts.append(Concept(term.id, families[term.id], name, synonyms, term.side, lowered, region))
    return Knowledge(tuple(concepts), _statements(tree))


@dataclass(frozen=True)
class Split:
    """What is taught, and what is asked afterwards.

    Attributes:
        taught: To learn from.
        structures: Families of structures of which nothing was taught, and statements that were not.
        synonyms: Single names, not taught, of structures that are taught otherwise.
    """

    taught: Knowledge
    structures: Knowledge
    synonyms: Knowledge


def hold_back(knowledge: Knowledge, share: float, seed: int) -> Split:
    """Keeps a part of the knowledge from training.

    Of a structure that is held back neither a name nor a description is taught, nor what is said of it or with it. Its
    name can still be a part of another's: "wall of trachea".

    Args:
        knowledge: All.
        share: Of the families to hold back, and of the synonyms of the others; 0 to less than 1.
        seed: Of the draw.
    """
    random = np.random.default_rng(seed)
    families = sorted({concept.family for concept in knowledge.concepts})
    away = {families[i] for i in random.permutation(len(families))[: round(share * len(families))]}
    kept = [concept for concept in knowledge.concepts if concept.family not in away]
    ids = {concept.id for concept in kept}
    said = tuple(
        Statement(statement.text, heads, statement.others)
        for statement in knowledge.statements
        if (heads := statement.heads & ids) and statement.others <= ids
    )
    texts = {statement.text for statement in said}
    unsaid = tuple(statement for statement in knowledge.statements if statement.text not in texts)
    withheld = {
        name
        for concept in kept
        if not concept.side
        for name, draw in zip(concept.synonyms, random.random(len(concept.synonyms)), strict=True)
        if draw < share
    }
    # with its sides' names made from it
    withheld |= {f"{side} {name}" for name in withheld for side in ("left", "right")}
    return Split(
        Knowledge(tuple(_with_synonyms(c, lambda name: name not in withheld) for c in kept), said),
        Knowledge(tuple(c for c in knowledge.concepts if c.family in away), unsaid),
        Knowledge(tuple(c for c in (_with_synonyms(c, withheld.__contains__) for c in kept) if c.synonyms), ()),
    )


def _with_synonyms(concept: Concept, wanted: Callable[[str], bool]) -> Concept:
    return replace(concept, synonyms=tuple(name for name in concept.synonyms if wanted(name)))


def _names(tree: KnowledgeTree, term: Term, foreign: frozenset[str]) -> list[str]:
    """Its own name first."""
    names = [term.name, *term.prompts, *(name for name in term.synonyms if name.lower() not in foreign)]
    if term.side:
        base = tree[term.base]
        values = {"side": term.side, "letter": term.side[0]}
        names += [form.format(name=base.name, **values) for form in _SIDED]
        names += [f"{term.side} {name}" for name in (*base.prompts, *base.synonyms) if name.lower() not in foreign]
    return list(dict.fromkeys(" ".join(name.lower().split()) for name in names))


def _foreign() -> frozenset[str]:
    """Names in living languages other than English, which the transformers do not know; the search does."""
    with resource("Anatomy", "languages.csv").open(encoding="utf-8", newline="") as file:
        return frozenset(row["name"].lower() for row in csv.DictReader(file))


def _families(tree: KnowledgeTree, shared: Iterable[set[str]]) -> dict[str, str]:
    """Of each term the first id of those it must stay with."""
    leader = {term.id: term.id for term in tree}

    def find(key: str) -> str:
        while leader[key] != key:
            key = leader[key]
        return key

    groups = [*shared, *({term.id, term.base} for term in tree if term.base)]
    for group in groups:
        first, *others = sorted(find(key) for key in group)
        for other in others:
            leader[find(other)] = find(first)
    return {key: find(key) for key in leader}


def _statements(tree: KnowledgeTree) -> tuple[Statement, ...]:
    heads: dict[str, set[str]] = defaultdict(set)
    others: dict[str, set[str]] = defaultdict(set)
    for term in tree:
        for kind, key in term.relations:
            other = tree[key]
            if kind == IS_A and key == term.base:  # what its name says already
                continue
            for words, head, named in ((_WORDS[kind][0], term, other), (_WORDS[kind][1], other, term)):
                text = words.format(named.name.lower())
                heads[text].add(head.id)
                others[text].add(named.id)
    return tuple(Statement(text, frozenset(heads[text]), frozenset(others[text])) for text in sorted(heads))
