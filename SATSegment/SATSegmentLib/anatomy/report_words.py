"""The sentences and words of a report, and what stands between the words."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from .report_levels import is_level, spinal_level
from .words import normal, split

# Kinds of words: those of names and sides; small ones that may be inside a name ("of", "the"); those between the parts
# of an enumeration ("and") or range ("to"); those that no name goes across. The order counts.
WORD, LEFT, RIGHT, SMALL, JOIN, TO, OTHER = range(7)
SIDES = {LEFT: "left", RIGHT: "right"}

_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)|\n[^\S\n]*(?=\n|[^\sa-z])")
_ABBREVIATED = re.compile(r"\b(?:approx|ca|cf|dr|e\.g|fig|i\.e|incl|max|min|prof|vs)$", re.IGNORECASE)
_TOKEN = re.compile(r"(?<!['’])[^\W_]+|(?<=['’])(?!s\b)[^\W_]+")  # without the "s" of "Ammon's"
_JOINS = frozenset("and or nor".split())
_ARTICLES = frozenset("the a an both".split())
_INSIDE = frozenset("of de du des".split())  # what `split` drops inside a name
_SIDED = frozenset(("sided", "side"))
_HALVES = {"IVa": "IV", "IVb": "IV", "IVA": "IV", "IVB": "IV", "4a": "4", "4b": "4"}  # of liver segment IV

# Words that are no part of the body here.
_IDIOMS = re.compile(
    r"\bback (?:to|from|in|into|on|up|then)\b|\b(?:date|dates|dating|go|goes|going|came|come|called?|refer\w*) back\b|"
    r"\bon (?:the )?(?:one|other) hand\b|\bat hand\b|\bhand[- ]in[- ]hand\b|\bin the face of\b|\bface[- ]to[- ]face\b|"
    r"\bhead[- ](?:to[- ]head|on|first)\b|\b(?:control|treatment|study|intervention|trial|placebo) arms?\b|"
    r"\b(?:arms?|feet|head) (?:up|down|first|raised)\b|\bC[- ]arm\b|\bby heart\b|\bheart rate\b|"
    r"\b(?:bone|lung|brain|liver|soft[- ]tissue|mediastinal) windows?\b|\bfat[- ](?:sat\w*|suppress\w*)",
    re.IGNORECASE,
)


class Token(NamedTuple):
    """A word of the text.

    Attributes:
        start: Of its first character in the text.
        end: After its last one.
        read: What is looked up for it.
        kind: WORD, LEFT, RIGHT, SMALL, JOIN, TO or OTHER.
        gap: Before it: " " or "-" within a name, "," or "/" between names, "~" a dash, "|" the end of a phrase.
    """

    start: int
    end: int
    read: str
    kind: int
    gap: str

    @property
    def article(self) -> bool:
        """Whether it is "the", "a", "an" or "both"."""
        return self.read.lower() in _ARTICLES

    @property
    def plural(self) -> bool:
        """Whether it may be the plural of a noun."""
        word = self.read.casefold()
        return len(word) > 3 and word.endswith(("s", "i", "ae")) and normal(word) != word


def sentences(text: str) -> list[tuple[int, int]]:
    """(Start, end) of the sentences; a line that starts with anything but a small letter starts one too."""
    spans = []
    start = 0
    for end in _SENTENCE_END.finditer(text):
        if not (end[0] == "." and _ABBREVIATED.search(text, start, end.start())):
            spans.append((start, end.end()))
            start = end.end()
    return [*spans, (start, len(text))]


def tokens_of(text: str, spans: list[tuple[int, int]], known: Callable[[str], bool]) -> list[Token]:
    """The words of a text, and a last one that ends the last name.

    Args:
        text: In plain language.
        spans: (Start, end) of its sentences.
        known: Whether a word (`words.normal`) occurs in names.
    """
    idioms = {place for idiom in _IDIOMS.finditer(text) for place in range(*idiom.span())}
    tokens: list[Token] = []
    sentence = iter(spans)
    first, last = next(sentence)
    for match in _TOKEN.finditer(text):
        start, end = match.span()
        while start >= last:
            first, last = next(sentence)
        before = tokens[-1].end if tokens else 0
        gap = _gap(text[before:start])
        if match[0].lower() in _SIDED and tokens and tokens[-1].kind in SIDES:
            tokens[-1] = tokens[-1]._replace(end=end)  # "right-sided" is a side
            continue
        read = _HALVES.get(match[0], match[0])
        kind, word = _kind(read)
        if start in idioms or (kind == WORD and not known(word)):
            kind = OTHER
        if kind == WORD and is_level(read):
            read = spinal_level(read, text[first:last], start - first, end - first)
            kind = WORD if read else OTHER
        tokens.append(Token(start, end, read, kind, gap))
    return [*tokens, Token(len(text), len(text), "", OTHER, "|")]


@lru_cache(maxsize=4096)
def _kind(word: str) -> tuple[int, str]:
    """Of a word by itself, as Token has it; and of a WORD how `words.split` reads it."""
    folded = word.casefold()
    if folded in _JOINS:
        return JOIN, ""
    if folded in ("to", "through"):
        return TO, ""
    if folded in _INSIDE or folded in _ARTICLES:
        return SMALL, ""
    side = split(f"{word} x").side
    if side and (len(word) > 1 or word.isupper()):
        return (LEFT if side == "left" else RIGHT), ""
    words = split(word).words
    return (WORD, words[0]) if words else (OTHER, "")


@lru_cache(maxsize=1024)
def _gap(text: str) -> str:
    """Of the characters before a word, as Token has it."""
    plain = re.sub(r"^['’]s\b", "", text).strip()
    if "\n" in text or len(plain) > 1:
        return "|"
    if plain in "-‐‑–—":
        return text if text in (" ", "-") else " " if not plain else "~"
    return {"'": " ", "’": " ", ",": ",", "/": "/", "&": "/", "+": "/"}.get(plain, "|")
