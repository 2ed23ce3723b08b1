"""The pairs of texts a step learns from, drawn from the concepts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .concepts import Concept, Knowledge, Statement
from .confusables import confusables

CLUSTER = 4
"""Pairs of a step that are drawn together: a concept and what must be told from it."""

_NAME_FIRST = 0.6  # share of pairs whose first text is the concept's name, else any two of its names
_LOOKALIKE = 0.7  # share of the places that confusables leave, filled with what the encoder takes for the concept
_RELATIVE = 0.5  # share of the places that both leave, filled with what is alike or above or below in the tree
_SAID = 0.2  # share of pairs whose second text is what is said of the concept, where it has synonyms too


@dataclass(frozen=True)
class Pair:
    """Two texts that mean one concept.

    Attributes:
        concept: Id.
        first: A name.
        second: A name, a description or a statement.
        heads: All concepts that `second` is said of.
    """

    concept: str
    first: str
    second: str
    heads: frozenset[str]


class PairSampler:
    """The pairs of each step.

    A step's batch is made of clusters; cluster `k` depends on the seed, the step, `k` and the lookalikes alone, so all
    processes of a run draw the same batch, whatever their number. A cluster begins with a concept that has more than
    one text and is filled with its confusables, then its lookalikes, its relatives in the tree, and any.

    Args:
        knowledge: To train on.
        batch: Pairs a step, a multiple of `CLUSTER`.
        seed: Of the draws.

    Attributes:
        concepts: That are drawn from.
        lookalikes: Of each, as the function of that name gives them; None before anybody has looked.
    """

    def __init__(self, knowledge: Knowledge, batch: int, seed: int) -> None:
        self.concepts = knowledge.concepts
        self.lookalikes: np.ndarray | None = None
        self._rows = {concept.id: row for row, concept in enumerate(knowledge.concepts)}
        self._batch = batch
        self._seed = seed
        self._said: dict[str, list[Statement]] = defaultdict(list)
        self._relatives: dict[str, list[str]] = defaultdict(list)
        for statement in knowledge.statements:
            heads, others = sorted(statement.heads), sorted(statement.others)
            for head in heads:
                self._said[head].append(statement)
                self._relatives[head] += heads
                self._relatives[head] += others
        self._confusables = confusables(knowledge.concepts)
        families: dict[str, list[str]] = defaultdict(list)
        for concept in knowledge.concepts:
            if concept.synonyms or concept.descriptions or self._said[concept.id]:
                families[concept.family].append(concept.id)
        self._families = list(families.values())

    def __getitem__(self, step: int) -> list[Pair]:
        """The whole batch of a step, over all processes."""
        clusters = range(self._batch // CLUSTER)
        return [pair for k in clusters for pair in self._cluster(np.random.default_rng([self._seed, step, k]))]

    def _any(self, random: np.random.Generator) -> str:
        """A concept that has more than one text; structures with sides come no more often than others."""
        family = self._families[random.integers(len(self._families))]
        return family[random.integers(len(family))]

    def _cluster(self, random: np.random.Generator) -> list[Pair]:
        first = self._any(random)
        near = list(dict.fromkeys(other.id for other in self._confusables[first]))
        near = [near[i] for i in random.permutation(len(near))][: CLUSTER - 1]
        alike = () if self.lookalikes is None else self.lookalikes[self._rows[first]]
        while len(near) < CLUSTER - 1 and len(alike) and random.random() < _LOOKALIKE:
            near.append(self.concepts[alike[random.integers(len(alike))]].id)
        relatives = self._relatives[first]
        while len(near) < CLUSTER - 1 and relatives and random.random() < _RELATIVE:
            near.append(relatives[random.integers(len(relatives))])
        while len(near) < CLUSTER - 1:
            near.append(self._any(random))
        return [self._pair(self.concepts[self._rows[key]], random) for key in (first, *near)]

    def _pair(self, concept: Concept, random: np.random.Generator) -> Pair:
        names = (concept.name, *concept.synonyms)
        said: list[Statement | str] = [*concept.descriptions, *self._said[concept.id]]
        start = 0 if random.random() < _NAME_FIRST else int(random.integers(len(names)))
        if said and (len(names) == 1 or random.random() < _SAID):
            second = said[random.integers(len(said))]
        else:
            others = names[:start] + names[start + 1 :] or names
            second = others[random.integers(len(others))]
        if isinstance(second, Statement):
            return Pair(concept.id, names[start], second.text, second.heads)
        return Pair(concept.id, names[start], second, frozenset((concept.id,)))


def texts_of(pairs: list[Pair]) -> list[str]:
    """First and second text of each pair in turn."""
    return [text for pair in pairs for text in (pair.first, pair.second)]


def positives(pairs: list[Pair]) -> Tensor:
    """Which of the texts of `texts_of` mean the same (N, N), bool; no text is its own positive."""
    concepts = np.array([pair.concept for pair in pairs]).repeat(2)
    same = concepts[:, None] == concepts[None, :]
    for row, pair in enumerate(pairs):
        if len(pair.heads) > 1:
            said = np.isin(concepts, list(pair.heads))
            same[2 * row + 1] |= said
            same[:, 2 * row + 1] |= said
    np.fill_diagonal(same, False)
    return torch.from_numpy(same)
