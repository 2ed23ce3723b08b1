"""Levels of the spine and other numbers as reports write them, and what only looks like a level."""

from __future__ import annotations

import re

from .words import NUMERALS, normal

_LEVEL = re.compile(r"(?:[CTDLS]|T[hH])[1-9][0-2]?")
_SPINE = [f"{part}{level}" for part, last in (("C", 7), ("T", 12), ("L", 5), ("S", 5)) for level in range(1, last + 1)]

# T1 and T2 are also contrasts of MR images, T1 to T4 stages of tumours; S1 to S8 are also segments of the liver.
_CONTRAST_AFTER = re.compile(
    r"(?:\*|[ -]?(?:w|wi|weight\w*|image\w*|imaging|signal\w*|sequence\w*|(?:hyper|hypo|iso)[- ]?intens\w*|bright|dark|"
    r"flair|stir|fat|fs|fse|tse|se|gre|relax\w*|map\w*|shine|shorten\w*|prolong\w*|axial|coronal|sagittal|contrast|"
    r"post|pre|tirm|dixon|space|vista|haste|blade|propeller|vibe|mprage|spgr)\b)"
    r"|(?:-|[ -]*(?:/|,|and|or)[ -]*)(?=T[12](?:\*|[ -]?w|[ -]?(?:image|signal|sequence|hyper|hypo)))",
    re.IGNORECASE,
)
_CONTRAST_BEFORE = re.compile(
    r"\b(?:on|axial|coronal|sagittal|weighted|pre-?contrast|post-?contrast)[ -]$", re.IGNORECASE
)
_STAGE_AFTER = re.compile(r"[abc]?[ ,]*[cp]?N[0-3x]\b", re.IGNORECASE)
_STAGE_BEFORE = re.compile(r"\b(?:stages?|staged(?: as)?|category|TNM:?) $", re.IGNORECASE)
_SEQUENCES = re.compile(r"\b(?:FLAIR|DWI|STIR|SWI|ADC|GRE|sequences?)\b")
_SPINAL = re.compile(r"\b(?:vertebra\w*|spin(?:e|al)|dis[ck]s?|levels?|fractures?)\b", re.IGNORECASE)
_SACRAL = re.compile(r"\b(?:sacral|sacrum|vertebra\w*|nerve|roots?|dis[ck]s?|L[1-5])\b", re.IGNORECASE)
_LIVER = re.compile(r"\b(?:liver|hepat\w+|couinaud)\b", re.IGNORECASE)


def is_level(word: str) -> bool:
    """Whether a word is written as a level of the spine: "C3", "Th12", also "T2" of an image and "S8" of the liver."""
    return _LEVEL.fullmatch(word) is not None


def spinal_level(read: str, sentence: str, start: int, end: int) -> str:
    """What to look up for a level.

    Args:
        read: The level, such as "Th12" (`is_level`).
        sentence: Around it: tells whether it is a contrast of MR images, a stage or a segment of the liver.
        start: Of its first character in the sentence.
        end: After its last one.

    Returns:
        "T12", also for "D12"; "liver segment 8" for "S8"; empty where it is a contrast or a stage.
    """
    part, number = read[0], int(read.lstrip("CTDLShH"))
    if part == "S" and (number > 5 or _LIVER.search(sentence)) and not _SACRAL.search(sentence):
        return f"liver segment {number}"
    if part == "T" and number < 5:
        if _STAGE_AFTER.match(sentence, end) or _STAGE_BEFORE.search(sentence[:start]):
            return ""
        beside = _CONTRAST_AFTER.match(sentence, end) or _CONTRAST_BEFORE.search(sentence[:start])
        if number < 3 and (beside or (_SEQUENCES.search(sentence) and not _SPINAL.search(sentence))):
            return ""
    return f"{part}{number}"


def number_of(read: str) -> tuple[str, int] | None:
    """(Part of the spine or empty, number) of "L3", "3rd", "III" or "liver segment 3"; None of another word."""
    word = normal(read.rpartition(" ")[2].casefold())
    match = re.fullmatch(r"([ctdls]?)(\d{1,2})", NUMERALS.get(word, word))
    return (match[1].upper().replace("D", "T"), int(match[2])) if match else None


def numbers_between(first: str, last: str) -> tuple[list[str], str]:
    """The numbers or levels of the spine between two, and the last one in full: ("l3", "5") is (["l4"], "l5")."""
    (part, low), (end_part, high) = number_of(first) or ("", 0), number_of(last) or ("", 0)
    if not part:
        return [str(between) for between in range(low + 1, high)], last
    start, end = f"{part}{low}", f"{end_part or part}{high}"
    if start not in _SPINE or end not in _SPINE:
        return [], last
    levels = _SPINE[_SPINE.index(start) + 1 : _SPINE.index(end)]
    return [level.lower() for level in levels], end.lower()
