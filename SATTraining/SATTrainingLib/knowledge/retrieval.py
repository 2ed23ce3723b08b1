"""How well a text encoder knows structures it was not taught: what it finds, and what it tells apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .concepts import Knowledge
from .confusables import KINDS, confusables

Encode = Callable[[Sequence[str]], np.ndarray]
"""Texts to unit vectors (N, C)."""

_ABBREVIATION = 5  # letters of a synonym without a space, at most
_ROWS = 1024  # compared at once


@dataclass(frozen=True)
class Share:
    """How many of how many.

    Attributes:
        good, count: The numbers.
    """

    good: int
    count: int

    @property
    def value(self) -> float | None:
        """Between 0 and 1, or None of none."""
        return self.good / self.count if self.count else None


@dataclass(frozen=True)
class Retrieval:
    """What was found among the names of all structures, by the nearest cosine.

    Attributes:
        synonyms: Synonyms of structures, abbreviations and those of one side left out, whose own structure's name is
            nearer than that of any other; by how many may be nearer all the same (1, 5).
        terms: Structures of which that (1) holds for all such synonyms.
        abbreviations: As `synonyms`, for those of up to five letters, such as "mca".
        statements: Statements ("has the part renal pelvis") for which one of the structures they are said of is among
            the nearest (1, 5), the one they name left out.
        told_apart: By kind of `confusables`: pairs of a synonym and a structure named like its own but for the side,
            the level, artery or vein, or the position, where its own is nearer.
    """

    synonyms: dict[int, Share]
    terms: Share
    abbreviations: dict[int, Share]
    statements: dict[int, Share]
    told_apart: dict[str, Share]

    def rows(self) -> list[tuple[str, Share]]:
        """All numbers with their names, for a table."""
        return [
            *((f"synonym -> term, recall@{k}", share) for k, share in self.synonyms.items()),
            ("terms with all synonyms above every wrong term", self.terms),
            *((f"abbreviation -> term, recall@{k}", share) for k, share in self.abbreviations.items()),
            *((f"relation -> term, recall@{k}", share) for k, share in self.statements.items()),
            *((f"{kind} told apart", share) for kind, share in self.told_apart.items()),
        ]


def evaluate(encode: Encode, everything: Knowledge, asked: Knowledge) -> Retrieval:
    """Asks for the structures and statements of `asked` among all.

    Args:
        encode: The text encoder.
        everything: All that could be found.
        asked: A part of it, such as what was held back from training.
    """
    place = {concept.id: row for row, concept in enumerate(everything.concepts)}
    names = encode([concept.name for concept in everything.concepts])
    # a side's synonyms only repeat those of the structure without side
    questions = [(synonym, c) for c in asked.concepts if not c.side for synonym in c.synonyms]
    full = [question for question in questions if not _is_abbreviation(question[0])]
    short = [question for question in questions if _is_abbreviation(question[0])]
    ranks = _ranks(encode, names, [(text, [place[c.id]], []) for text, c in full])
    wrong = {c.id for (_, c), rank in zip(full, ranks, strict=True) if rank > 0}
    answers = [(s.text, [place[k] for k in s.heads], [place[k] for k in s.others - s.heads]) for s in asked.statements]
    count = len({c.id for _, c in full})
    return Retrieval(
        synonyms=_recall(ranks),
        terms=Share(count - len(wrong), count),
        abbreviations=_recall(_ranks(encode, names, [(text, [place[c.id]], []) for text, c in short])),
        statements=_recall(_ranks(encode, names, answers)),
        told_apart=_told_apart(encode, names, place, everything, asked),
    )


def _is_abbreviation(text: str) -> bool:
    return " " not in text and len(text) <= _ABBREVIATION


def _recall(ranks: np.ndarray) -> dict[int, Share]:
    return {k: Share(int((ranks < k).sum()), len(ranks)) for k in (1, 5)}


def _ranks(encode: Encode, names: np.ndarray, questions: list[tuple[str, list[int], list[int]]]) -> np.ndarray:
    """Of each question how many names are nearer than the nearest of its right answers.

    Args:
        encode: The text encoder.
        names: Of all structures (N, C).
        questions: Text, right answers, and what is left out, as rows of `names`.
    """
    if not questions:
        return np.empty(0, int)
    asked = encode([text for text, _, _ in questions])
    ranks = np.empty(len(questions), int)
    for start in range(0, len(questions), _ROWS):
        cosines = asked[start : start + _ROWS] @ names.T
        for row, cosine in enumerate(cosines, start):
            _, right, left_out = questions[row]
            nearer = cosine > cosine[right].max()
            nearer[left_out] = False
            ranks[row] = nearer.sum()
    return ranks


def _told_apart(encode, names, place, everything: Knowledge, asked: Knowledge) -> dict[str, Share]:
    near = confusables(everything.concepts)
    triples = [
        (other.kind, text, place[concept.id], place[other.id])
        for concept in asked.concepts
        for other in near[concept.id]
        for text in concept.synonyms
        if not _is_abbreviation(text)
    ]
    texts = {text: row for row, text in enumerate(dict.fromkeys(text for _, text, _, _ in triples))}
    vectors = encode(list(texts)) if texts else np.empty((0, names.shape[1]))
    shares = {}
    for kind in KINDS:
        of = [(texts[text], own, other) for found, text, own, other in triples if found == kind]
        rows, own, other = (np.array(column, int) for column in (zip(*of, strict=True) if of else ((), (), ())))
        nearer = (vectors[rows] * (names[own] - names[other])).sum(1) > 0
        shares[kind] = Share(int(nearer.sum()), len(of))
    return shares
