"""Phrases of a report: the stretches of its words that can be a name or a part of an enumeration."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from .report_words import SIDES, SMALL, WORD, Token
from .words import split


class Phrase(NamedTuple):
    """A phrase of the text, such as a part of an enumeration: "left 4th".

    Attributes:
        words: As `words.split` gives them, without the side.
        side: "left", "right" or empty.
        literal: As it is written, where it is one word.
        start: Of its first character in the text.
        end: After its last one.
        closed: An article is before it, so that nothing is carried over to it.
        plural: One of its words is.
        side_first: It starts with the side.
    """

    words: tuple[str, ...]
    side: str
    literal: str
    start: int
    end: int
    closed: bool = False
    plural: bool = False
    side_first: bool = False


def phrase_ends(tokens: list[Token], start: int, most: int) -> list[int]:
    """Places after which a phrase from the word at `start` can end, of at most so many words, the farthest first."""
    ends: list[int] = []
    sides = set()
    for place in range(start, min(start + most, len(tokens))):
        token = tokens[place]
        if token.kind in SIDES:
            sides.add(token.kind)
        if token.kind > SMALL or len(sides) > 1 or (place > start and token.gap not in (" ", "-", "/")):
            break
        if token.article and tokens[place - 1].kind != SMALL:
            break  # "lobe of the lung", but not "in this lung the lobe"
        if token.kind != SMALL:
            ends.append(place + 1)
    return ends[::-1]


def phrase_of(tokens: list[Token], start: int, end: int, closed: bool = False) -> Phrase:
    """The words from place `start` to before place `end`; `closed` as the phrase has it."""
    first, last = tokens[start], tokens[end - 1]
    if end - start == 1 and first.kind in SIDES:
        words, side = (), SIDES[first.kind]
    else:
        words, side = _split(" ".join(token.read for token in tokens[start:end]))
    literal = ""
    if len(words) == 1:
        spelled = next((token.read for token in tokens[start:end] if token.kind == WORD), "")  # none of "right of both"
        literal = words[0].upper() if spelled.isdecimal() else spelled
    plural = any(token.plural for token in tokens[start:end])
    return Phrase(words, side, literal, first.start, last.end, closed, plural, first.kind in SIDES)


_split = lru_cache(maxsize=4096)(split)
