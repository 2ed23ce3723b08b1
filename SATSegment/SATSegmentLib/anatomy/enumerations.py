"""Enumerations and ranges in reports: what "superior thyroid artery and vein" or "C3-C6" leaves out."""

from __future__ import annotations

from collections.abc import Iterator

from .report_levels import number_of, numbers_between
from .report_names import PARTIAL, Found, Names
from .report_phrases import Phrase, phrase_ends, phrase_of
from .report_words import JOIN, SMALL, TO, Token
from .tree import Term

_LONGEST_PART = 6  # words of a part, small ones too
_MOST_PARTS = 7


def enumerated(tokens: list[Token], start: int, names: Names) -> Iterator[tuple[int, list[Found]]]:
    """The enumerations that start at a word and share a word or side, or are a range.

    Yields:
        (Place after the last word, what the parts name); of enumerations with as many parts the longest only.
    """
    places = [(start, False)]  # of the parts, and whether an article is before each
    ends: list[int] = []  # of all parts but the last
    links: list[str] = []
    while len(places) <= _MOST_PARTS:
        end = _part_end(tokens, places[-1][0])
        link, following, closed = _link(tokens, end) if end else ("", 0, False)
        if not link or not phrase_ends(tokens, following, 1):
            break
        ends.append(end)
        links.append(link)
        places.append((following, closed))
        if link == ",":
            continue
        parts = [
            phrase_of(tokens, *each) for each in zip((p for p, _ in places), ends, (c for _, c in places), strict=False)
        ]
        for last_end in phrase_ends(tokens, following, _LONGEST_PART):
            last = phrase_of(tokens, following, last_end, closed)
            found = _shared([*parts, last], links, names)
            if found:
                yield last_end, found
                break


def _part_end(tokens: list[Token], start: int) -> int:
    """The place after a part that is not the last one; 0 where it is too long or has both sides."""
    for end in phrase_ends(tokens, start, _LONGEST_PART):
        for place in range(start + 1, end):
            if _is_range(tokens, place):
                return place
        return end
    return 0


def _is_range(tokens: list[Token], place: int) -> bool:
    """Whether the dash before a word is that of a range, such as C3-C6, IV-VI or C5/6."""
    gap = tokens[place].gap
    if gap not in ("-", "~", "/"):
        return False
    first, last = number_of(tokens[place - 1].read), number_of(tokens[place].read)
    return bool(first and last and (gap != "/" or (first[0] and not last[0])))


def _link(tokens: list[Token], place: int) -> tuple[str, int, bool]:
    """How the text goes on after a part: ("and", "," or "-" for a range; place of the next part; article before it)."""
    token, link = tokens[place], ""
    if token.kind == TO and token.gap == " " and place + 1 < len(tokens):
        if number_of(tokens[place - 1].read) and number_of(tokens[place + 1].read):
            link, place = "-", place + 1
    elif _is_range(tokens, place):
        link = "-"
    elif token.gap == "/":
        link = "and"
    else:
        if token.gap == ",":
            link = ","
        while tokens[place].kind == JOIN and tokens[place].gap != "|":
            link, place = "and", place + 1
    closed = False
    while link and tokens[place].kind == SMALL and tokens[place].gap == " ":
        closed, place = True, place + 1
    return link, place, closed


def _shared(parts: list[Phrase], links: list[str], names: Names) -> list[Found] | None:
    """What an enumeration names, if its parts have something in common."""
    parts, ranges = _with_ranges(parts, links)
    first, last = parts[0], parts[-1]
    alone = [
        None if part.words and part.words[-1] in PARTIAL else names.term(part.words, part.side, part.literal)
        for part in parts
    ]
    complete = all(alone)
    singular_then_plural = last.plural and not last.closed and not first.plural
    for ahead in range(max(0, len(first.words) - 1) if not complete else 0, -1, -1):
        for behind in range(len(last.words) if not complete or singular_then_plural else 0, -1, -1):
            if not (ahead or behind or ranges or _shares_side(parts)):
                continue
            if behind == len(last.words) and all(part.words for part in parts[:-1]):
                continue
            terms = _terms(parts, ahead, behind, names)
            if terms:
                return [
                    Found(*ranges.get(n, (part.start, part.end)), term)
                    for n, (part, term) in enumerate(zip(parts, terms, strict=True))
                ]
    return None


def _shares_side(parts: list[Phrase]) -> bool:
    """Whether the last part is on the side of the first: "left hip and knee", but not "left hip and knees"."""
    first, last = parts[0], parts[-1]
    return len(parts) == 2 and first.side_first and not (last.side or last.closed or last.plural or first.plural)


def _terms(parts: list[Phrase], ahead: int, behind: int, names: Names) -> list[Term] | None:
    """What the parts name with the first words of the first part and the last words of the last one."""
    first, last = parts[0], parts[-1]
    start, end = first.words[:ahead], last.words[len(last.words) - behind :]
    side = ""
    terms = []
    for number, part in enumerate(parts):
        words = (*(start if number else ()), *part.words, *(end if part is not last else ()))
        side = part.side or ("" if part.closed and not behind else side)
        if not side and behind and not last.side_first:
            side = last.side  # "head and neck of the left humerus"
        literal = part.literal if words == part.words else ""
        term = names.term(words, side, literal) or (None if part.side else names.term(words, "", literal))
        if term is None:
            return None
        terms.append(term)
    return terms


def _with_ranges(parts: list[Phrase], links: list[str]) -> tuple[list[Phrase], dict[int, tuple[int, int]]]:
    """Parts with what lies between the ends of ranges; and (start, end) of the range that each of these is of."""
    result = [parts[0]]
    ranges: dict[int, tuple[int, int]] = {}
    for link, part in zip(links, parts[1:], strict=True):
        before = result[-1]
        place = next((place for place, word in enumerate(part.words) if number_of(word)), None)
        if link == "-" and before.words and place is not None:
            span = (ranges.get(len(result) - 1, (before.start,))[0], part.end)
            between, last = numbers_between(before.words[-1], part.words[place])
            filled = [Phrase((*part.words[:place], word), "", word.upper(), *span) for word in between]
            words = (*part.words[:place], last, *part.words[place + 1 :])
            part = part._replace(words=words, literal=last.upper() if len(words) == 1 else "")
            ranges |= dict.fromkeys(range(len(result) - 1, len(result) + len(filled) + 1), span)
            result += filled
        result.append(part)
    return result, ranges
