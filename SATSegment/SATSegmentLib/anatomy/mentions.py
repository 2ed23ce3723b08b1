"""Finds the structures and lesions that a radiology report mentions, and whether it denies a finding in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from .enumerations import enumerated
from .groups import LESIONS, REGION
from .negation import Place, negated_places
from .report_levels import number_of
from .report_names import PARTIAL, Found, Names
from .report_phrases import phrase_ends, phrase_of
from .report_words import RIGHT, SIDES, Token, sentences, tokens_of
from .search import TermIndex, term_index
from .tree import Term

_LONGEST = 9  # words of a name, small ones too
_MODIFIER = re.compile(r".{2,}(?:al|ar|ary|ic|ous|ac|ine|oid|ian)", re.IGNORECASE)


@dataclass(frozen=True)
class Mention:
    """A term at a place of a text.

    Attributes:
        start: Of the first character, from 0.
        end: After the last one: `text` is what stands there.
        text: As it is written; of "left and right hips" it is "left" and "right hips".
        term: What is meant.
        negated: Whether a finding in it, or the lesion itself, is denied.
    """

    start: int
    end: int
    text: str
    term: Term
    negated: bool


def find_terms(text: str, index: TermIndex | None = None) -> list[Mention]:
    """All structures and lesions that a report or sentence mentions, in the order of the text.

    Args:
        text: In plain language, at any length.
        index: Over the tree to find terms of; that of the extension if None.

    Returns:
        The longest names that fit; an abbreviation of several structures as the one in the region that is written of.
        They do not overlap, but the levels of a range ("C3-C6") share their place.
    """
    names = _names(index or term_index())
    spans = sentences(text)
    found = _best(tokens_of(text, spans, names.knows), names)
    mentions = []
    regions = _regions(found)
    for start, end in spans:
        inside = [each for each in found if start <= each.start < end]
        if not inside:
            continue
        near = _regions(inside)
        inside = [_chosen(each, near, regions) for each in inside]
        places = [Place(each.start - start, each.end - start, LESIONS in each.term.groups) for each in inside]
        negated = negated_places(text[start:end], places)
        mentions += [
            Mention(each.start, each.end, text[each.start : each.end], each.term, number in negated)
            for number, each in enumerate(inside)
        ]
    return mentions


@lru_cache(maxsize=2)
def _names(index: TermIndex) -> Names:
    return Names(index.tree)


def _best(tokens: list[Token], names: Names) -> list[Found]:
    """The names that together cover the most words; of these the fewest."""
    best: list[tuple[float, int, list[Found]]] = [(0.0, 0, [])] * (len(tokens) + 1)
    for place in range(len(tokens) - 1, -1, -1):
        best[place] = (best[place + 1][0], place + 1, [])
        if tokens[place].kind > RIGHT:
            continue
        for end, found in (*_named(tokens, place, names), *enumerated(tokens, place, names)):
            covered = sum(token.kind <= RIGHT for token in tokens[place:end])
            # a side at the end of a name rather belongs to the next one, if there is one
            points = best[end][0] + covered - (0.6 if tokens[end - 1].kind in SIDES else 0.5)
            if points > best[place][0]:
                best[place] = (points, end, found)
    result: list[Found] = []
    place = 0
    while place < len(tokens):
        _, following, found = best[place]
        result += found
        place = following
    return result


def _named(tokens: list[Token], start: int, names: Names) -> Iterator[tuple[int, list[Found]]]:
    """The names that start at a word: (place after the last word, what they name)."""
    for end in phrase_ends(tokens, start, _LONGEST):
        term = _alone(tokens, start, end, names)
        if term:
            part = phrase_of(tokens, start, end)
            abbreviated = part.literal.isupper() and not number_of(part.literal)
            choices = names.meanings(part.words, part.side, part.literal) if abbreviated else ()
            yield end, [Found(tokens[start].start, tokens[end - 1].end, term, choices)]


def _alone(tokens: list[Token], start: int, end: int, names: Names) -> Term | None:
    """What a phrase names without the help of its neighbours."""
    part = phrase_of(tokens, start, end)
    after = tokens[end]
    if after.gap == " " and after.read == "of" and tokens[end - 1].kind in SIDES:
        return None  # "to the right of"
    if len(part.words) == 1 and part.words[0] in PARTIAL:
        beside = start and tokens[start].gap in (" ", "-") and _MODIFIER.fullmatch(tokens[start - 1].read)
        if not part.side and (beside or (after.gap == " " and after.read == "of")):
            return None
    return names.term(part.words, part.side, part.literal)


def _regions(found: list[Found]) -> Counter[str]:
    """How many of the terms are in each region, abbreviations of several meanings left out."""
    return Counter(
        group for each in found if not each.choices for group in each.term.groups if group.startswith(REGION)
    )


def _chosen(found: Found, near: Counter[str], everywhere: Counter[str]) -> Found:
    """An abbreviation as what is in the regions of its sentence or, failing that, of the text."""
    if not found.choices:
        return found
    for regions in (near, everywhere):
        points = [max((regions[group] for group in term.groups), default=0) for term in found.choices]
        if max(points) > min(points):
            return found._replace(term=found.choices[points.index(max(points))])
    return found
