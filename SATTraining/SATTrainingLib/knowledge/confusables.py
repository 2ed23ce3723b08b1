"""Structures whose names differ in one word that means everything: left and right, L3 and L4, artery and vein."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from SATSegmentLib.anatomy.words import split

from .concepts import Concept

SIDE, LEVEL, VESSEL, POSITION = "side", "level", "vessel", "position"
KINDS = (SIDE, LEVEL, VESSEL, POSITION)

_SPINE = [f"{letter}{n}" for letter, count in (("c", 7), ("t", 12), ("l", 5), ("s", 5)) for n in range(1, count + 1)]
_PLACE = {level: place for place, level in enumerate(_SPINE)}
_VESSELS = {"artery": "vein", "vein": "artery", "arteria": "vena", "vena": "arteria"}
_OPPOSITES = {
    word: other
    for pair in (
        "anterior posterior;superior inferior;medial lateral;internal external;upper lower;proximal distal;major minor;"
        "inner outer;ascending descending;superficial deep;dorsal ventral;hand foot;finger toe"
    ).split(";")
    for word, other in (pair.split(), pair.split()[::-1])
}
_MOST = 40  # a number beyond it is no level: an area of Brodmann's


@dataclass(frozen=True)
class Confusable:
    """A term that must be told apart from another.

    Attributes:
        kind: One of `KINDS`.
        id: Of the term.
    """

    kind: str
    id: str


def confusables(concepts: Sequence[Concept]) -> Mapping[str, tuple[Confusable, ...]]:
    """Of each concept those that are named alike but for the side, a neighbouring level, artery or vein, or an opposite
    position; by id."""
    by_words: dict[tuple[tuple[str, ...], str], list[str]] = defaultdict(list)
    words = {}
    for concept in concepts:
        words[concept.id] = split(concept.name)
        by_words[tuple(words[concept.id])].append(concept.id)
    found = {}
    for key, (own, side) in words.items():
        others = [(SIDE, (own, {"left": "right", "right": "left"}[side]))] if side else []
        others += [(LEVEL, (moved, side)) for step in (-1, 1) if (moved := _moved(own, step)) != own]
        for kind, table in ((VESSEL, _VESSELS), (POSITION, _OPPOSITES)):
            others += [(kind, (*other, side)) for other in _swapped(own, table)]
        found[key] = tuple(
            Confusable(kind, other) for kind, names in others for other in by_words.get(names, ()) if other != key
        )
    return found


def _swapped(words: tuple[str, ...], table: Mapping[str, str]):
    """The words with one of them replaced, wherever the table has it."""
    for place, word in enumerate(words):
        if word in table:
            yield ((*words[:place], table[word], *words[place + 1 :]),)


def _moved(words: tuple[str, ...], step: int) -> tuple[str, ...]:
    """The words with all numbers and levels of the spine one up or down; as they are where one has no neighbour."""
    moved = []
    for word in words:
        if word in _PLACE:
            place = _PLACE[word] + step
            if not 0 <= place < len(_SPINE):
                return words
            word = _SPINE[place]
        elif word.isdecimal() and int(word) < _MOST:
            word = str(int(word) + step)
        moved.append(word)
    return tuple(moved)
