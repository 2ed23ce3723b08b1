"""The search behind the picker: what a radiologist types finds the right term first."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from heapq import nsmallest
from typing import NamedTuple

from ..errors import InputError
from .groups import REGIONS, Group
from .tree import KnowledgeTree, Term, knowledge_tree
from .vocabulary import Vocabulary
from .words import Words, meant, normal, split, started

TERM, GROUP, TRAINED_TEXT, FREE_TEXT = "term", "group", "trained text", "free text"

# Points of a match, most first; what is trained and what is often asked for adds to them.
_EXACT, _SAME_WORDS, _PREFIX, _IN_ORDER, _WORD_PREFIX, _ANY_WORDS = 100.0, 92.0, 72.0, 68.0, 62.0, 54.0
_SYNONYM = -4.0  # an exact synonym comes before what only starts like the query
_SYNONYM_PREFIX = -10.0
_UNASKED_SIDE = -6.0
_NO_SUCH_SIDE = -45.0
_TYPO = -30.0
_TRAINED, _TRAINED_ELSEWHERE = 14.0, 6.0
_FREQUENT = 12.0
_MEANT = -8.0  # "hepatic mass" for "liver tumor"
_WORD_TOO_MANY = -35.0
_MOST_WORDS = 12  # of a query; a whole report is no query
_FEW = 3  # with fewer results typing errors are looked for
_MANY = 400  # candidates weighed fully; the others are rarer


@dataclass(frozen=True)
class Hit:
    """A result.

    Attributes:
        kind: TERM; GROUP for a region, on an empty query; TRAINED_TEXT for what the model was trained on but the
            tree lacks; FREE_TEXT for the query itself, as a prompt.
        name: Shown.
        term: Of a TERM.
        matched: The synonym that matched, where it was not the name.
        trained: Modalities the model was trained for.
        path: Names from the region down, without the term.
        score: More is better.
    """

    kind: str
    name: str
    term: Term | None = None
    group: Group | None = None
    matched: str = ""
    trained: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    score: float = 0.0


class _Entry(NamedTuple):
    """A name of a term, ready to compare."""

    term: Term
    name: str
    words: tuple[str, ...]
    side: str  # that the name says
    own: bool  # the preferred name or a SAT class name
    text: str  # the words in a row


class TermIndex:
    """Searches a tree.

    Args:
        tree: The terms.
    """

    def __init__(self, tree: KnowledgeTree) -> None:
        self.tree = tree
        # the often asked-for first: where there are too many candidates, the first are taken
        self._entries = [entry for term in sorted(tree, key=lambda term: -term.weight) for entry in _entries(term)]
        self._places: dict[str, list[int]] = {}
        self._whole: dict[str, list[int]] = {}
        for place, entry in enumerate(self._entries):
            self._whole.setdefault("".join(entry.words), []).append(place)
            for word in entry.words:
                self._places.setdefault(word, []).append(place)
        self._words = sorted(self._places)
        self._joined = sorted(self._whole)

    def search(
        self, query: str, vocabulary: Vocabulary | None = None, modality: str | None = None, limit: int = 20
    ) -> list[Hit]:
        """The terms that `query` may mean, best first.

        Args:
            query: As far as it is typed. Empty: the regions.
            vocabulary: Of the chosen model: what it was trained on comes first.
            modality: Of the volume, such as "ct".
            limit: At most so many.

        Returns:
            Terms once each; last the query itself as free text, unless a name has just its words or it is a term's code
            (beyond `limit` if that is 1).

        Raises:
            InputError: `limit` is less than 1.
        """
        if limit < 1:
            raise InputError("A search gives at least one result.")
        if not query.strip():
            return [Hit(GROUP, group.name, group=group) for group in REGIONS][:limit]
        if coded := self._coded(query, vocabulary):
            return coded[:limit]
        free = Hit(FREE_TEXT, " ".join(query.lower().split()))
        words, side = split(query)
        asked = Words(words[:_MOST_WORDS], side)
        if not asked.words:
            return [free]
        best: dict[str, tuple[float, _Entry, Term]] = {}
        for score, entry, term in self._scored(asked, vocabulary, modality):
            better = best.get(term.id)
            # of two names as good, the one that says the side itself tells why
            if not better or (score, entry.side == asked.side) > (better[0], better[1].side == asked.side):
                best[term.id] = (score, entry, term)
        ranked = sorted(best.values(), key=lambda found: (-found[0], len(found[2].name), found[2].name))
        hits = [self._hit(*found, vocabulary) for found in ranked[:limit]]
        if vocabulary:
            hits += _unknown(asked.words, vocabulary)
            hits = sorted(hits, key=lambda hit: -hit.score)[:limit]
        exact = bool(ranked) and sorted(ranked[0][1].words) == sorted(asked.words)
        return hits if exact else [*hits[: max(1, limit - 1)], free]

    def meant(self, text: str, vocabulary: Vocabulary, modality: str) -> list[Term]:
        """The terms trained for a modality that `text` names exactly, by whatever name, the likeliest first."""
        words, side = split(text)
        found = {}
        for term, said in self.exact(words):
            sided = self.tree.side_of(term.id, side) if side and not (said or term.side) else term
            if (
                sided
                and said in ("", side)
                and sided.side == (side or term.side)
                and modality in vocabulary.modalities(sided)
            ):
                found[sided.id] = sided
        return sorted(found.values(), key=lambda term: (-term.weight, len(term.name), term.name))

    def exact(self, words: tuple[str, ...]) -> Iterator[tuple[Term, str]]:
        """The terms one of whose names is these words (`words.split`), with the side the name says."""
        for place in self._whole.get("".join(words), ()):
            entry = self._entries[place]
            if entry.words == words:
                yield entry.term, entry.side

    def _coded(self, query: str, vocabulary: Vocabulary | None) -> list[Hit]:
        """The terms whose code the query is."""
        from .codes import terms_of_written  # which needs this search

        return [
            Hit(
                TERM,
                term.name,
                term,
                None,
                query.strip(),
                vocabulary.modalities(term) if vocabulary else (),
                tuple(self.tree.path(term.id)),
                _EXACT,
            )
            for term in terms_of_written(query) or ()
        ]

    def _scored(self, asked, vocabulary, modality) -> Iterator[tuple[float, _Entry, Term]]:
        for points, entry in self._matching(asked.words):
            yield from self._with_side(points, entry, asked.side, vocabulary, modality)

    def _matching(self, words: tuple[str, ...]) -> Iterator[tuple[float, _Entry]]:
        """Entries and their points: all words as typed, else as they may be meant, misspelt, or one too many."""
        found = [self._entries[place] for place in self._candidates(words)]
        text = " ".join((*words[:-1], started(words[-1])))
        yield from ((_points(entry, words, text), entry) for entry in found)
        other = meant(words)
        if other != words and not any(entry.words == words for entry in found):
            for place in self._candidates(other):
                found.append(self._entries[place])
                yield _points(found[-1], other, " ".join(other)) + _MEANT, found[-1]
        if len(found) < _FEW:
            for place, likeness in self._similar(words):
                found.append(self._entries[place])
                points = _points(found[-1], found[-1].words, text) * likeness + _TYPO if likeness < 1 else _PREFIX
                yield points, found[-1]
        if not found and len(words) > 1:
            for skipped in range(len(words)):
                rest = (*words[:skipped], *words[skipped + 1 :])
                for place in self._candidates(rest):
                    yield _points(self._entries[place], rest, " ".join(rest)) + _WORD_TOO_MANY, self._entries[place]

    def _with_side(self, points, entry, side, vocabulary, modality) -> Iterator[tuple[float, _Entry, Term]]:
        """The term of an entry on the side that was asked for."""
        term = entry.term
        if side and entry.side not in ("", side):
            return
        if side and side not in (term.side, entry.side):
            sided = self.tree.side_of(term.id, side) if not term.side else None
            if sided is None:
                points += _NO_SUCH_SIDE
            term = sided or term
        elif entry.side and not side:
            points += _UNASKED_SIDE
        points += _FREQUENT * math.log1p(term.weight) / math.log(100)
        if vocabulary:
            trained = self._trained(term, vocabulary)
            points += _TRAINED if modality in trained or (trained and not modality) else 0
            points += _TRAINED_ELSEWHERE if modality and trained and modality not in trained else 0
        yield points, entry, term

    def _trained(self, term: Term, vocabulary: Vocabulary) -> tuple[str, ...]:
        """A structure without side counts as trained when its sides are."""
        sided = (self.tree.side_of(term.id, side) for side in ("left", "right") if not term.side)
        return vocabulary.modalities(term) or tuple(
            modality for other in sided if other for modality in vocabulary.modalities(other)
        )

    def _candidates(self, words: tuple[str, ...]) -> list[int]:
        """Places of entries in which each word starts one of theirs; the most asked-for first."""
        sets = []
        for word in words:
            places: set[int] = set()
            for found in self._starting(word):
                places.update(self._places[found])
            sets.append(places)
        sets.sort(key=len)
        common = sets[0].intersection(*sets[1:])
        whole = self._whole.get("".join(words), [])
        return [*whole, *nsmallest(_MANY, common.difference(whole))]

    def _starting(self, word: str) -> Iterable[str]:
        starts = {word, started(word)}
        for start in starts:
            place = bisect_left(self._words, start)
            while place < len(self._words) and self._words[place].startswith(start):
                yield self._words[place]
                place += 1
        if word not in self._places and (alike := normal(word)) != word:
            yield from self._starting(alike)

    def _similar(self, words: tuple[str, ...]) -> Iterator[tuple[int, float]]:
        """Entries for words written apart or together, or with typing errors: (place, likeness of 1)."""
        joined = "".join(words)
        place = bisect_left(self._joined, joined)
        while place < len(self._joined) and self._joined[place].startswith(joined):
            yield from ((found, 1.0) for found in self._whole[self._joined[place]])
            place += 1
        try:
            from rapidfuzz import fuzz, process
            from rapidfuzz.distance import OSA
        except ImportError:  # not yet installed in Slicer: names must be typed right
            return

        readings: list[list[tuple[str, float]]] = []
        for word in words:
            reading = [(found, 1.0) for found in self._starting(word)]
            if not reading and (errors := _errors(word)):
                near = process.extract(word, self._words, scorer=OSA.distance, score_cutoff=errors, limit=12)
                reading = [(found, 1 - wrong / len(word)) for found, wrong, _ in near]
            readings.append(reading)
        places: dict[int, float] | None = None
        for reading in readings:
            here: dict[int, float] = {}
            for word, likeness in reading:
                for found in self._places[word]:
                    here[found] = max(here.get(found, 0), likeness)
            places = (
                here
                if places is None
                else {found: min(likeness, places[found]) for found, likeness in here.items() if found in places}
            )
        text = " ".join(words)
        for found in nsmallest(_MANY, places or ()):
            entry = self._entries[found]
            yield found, min(0.99, places[found] * fuzz.ratio(text, entry.text) / 100)

    def _hit(self, score: float, entry: _Entry, term: Term, vocabulary: Vocabulary | None) -> Hit:
        trained = vocabulary.modalities(term) if vocabulary else ()
        matched = "" if entry.own or entry.name == term.name else entry.name
        return Hit(TERM, term.name, term, None, matched, trained, tuple(self.tree.path(term.id)), score)


@cache
def term_index() -> TermIndex:
    """The search over the tree that comes with the extension."""
    return TermIndex(knowledge_tree())


def _entries(term: Term) -> Iterator[_Entry]:
    if "/" in term.id and not term.prompts and not term.synonyms:
        return  # a side that the build added: found through its structure
    names = dict.fromkeys((term.name, *term.prompts, *term.synonyms))
    for name in names:
        words, side = split(name)
        if words:
            own = name == term.name or name in term.prompts
            yield _Entry(term, name, words, side, own, " ".join(words))


def _errors(word: str) -> int:
    """How many typing errors a word may have."""
    return 0 if len(word) < 4 or not word.isalpha() else 1 if len(word) < 6 else 2


def _points(entry: _Entry, words: tuple[str, ...], text: str) -> float:
    """How well the query's words match an entry that has them all, at least started."""
    penalty = 0.0 if entry.own else _SYNONYM_PREFIX
    if entry.words == words:
        return _EXACT + (0.0 if entry.own else _SYNONYM)
    if sorted(entry.words) == sorted(words):
        return _SAME_WORDS + (0.0 if entry.own else _SYNONYM)
    coverage = 8.0 * min(1.0, len(text) / len(entry.text))
    if entry.text.startswith(text):
        return _PREFIX + coverage + penalty
    if len(words) > 1 and all(map(str.startswith, entry.words, words)):
        return _IN_ORDER + coverage + penalty
    if entry.words[0].startswith(words[0]):
        return _WORD_PREFIX + coverage + penalty
    return _ANY_WORDS + coverage + penalty


def _unknown(words: tuple[str, ...], vocabulary: Vocabulary) -> Iterator[Hit]:
    """Trained names that the tree lacks."""
    for name, modalities in vocabulary.unknown.items():
        own = split(name).words
        if all(any(mine.startswith(word) for mine in own) for word in words):
            score = (_EXACT if own == words else _PREFIX) + _TRAINED
            yield Hit(TRAINED_TEXT, name, trained=modalities, score=score)
