"""What a sentence of a report denies: "no lesion in the liver", "the aorta is not dilated"."""

from __future__ import annotations

import re
from typing import NamedTuple

_BE = r"(?:is|are|was|were|be|been|being|appears?|appeared|remains?|remained|looks?|seems?)"
_SEEN = (
    r"(?:seen|identified|noted|found|detected|visible|visuali[sz]ed|present|evident|appreciated|observed|demonstrated|"
    r"shown)"
)
_SHOW = (
    r"(?:shows?|showed|showing|demonstrat(?:es?|ed|ing)|reveal(?:s|ed)?|exhibit(?:s|ed)?|display(?:s|ed)?|contain(?:s|ed)?|"
    r"ha(?:s|ve|d)|harbou?r(?:s|ed)?)"
)
_SHOW_PLAIN = r"(?:show|demonstrate|reveal|exhibit|display|contain|have|harbou?r)"
_VERB = re.compile(
    rf"\b(?:{_BE}|{_SHOW}|measures?|measured|enhances?|extends?|infiltrates?|invades?|compress(?:es)?|lies?|contacts?|abuts?|"
    r"displaces?|involves?|causes?|suggests?|represents?)\b",
    re.IGNORECASE,
)
_WEIGHTY = (
    r"(?:significant|relevant|substantial|appreciable|interval|definite|major|marked|essential|further|overall|notable|"
    r"important)"
)
# They look like a denial and are none; none is looked for in them.
_NO_DENIAL = re.compile(
    rf"\b(?:no|without)(?: {_WEIGHTY})* (?:change|increase|decrease|growth|progress(?:ion)?|regression|difference)s?\b|"
    r"\bno doubt\b|\bnot (?:only|necessarily|certain|clear|well|fully|completely|optimally|adequately)\b|"
    r"\b(?:not|cannot|can['’]t|difficult to)(?: be| been)?(?: \w+ly)? (?:excluded?|ruled? out)\b|"
    r"\bnot (?:included|covered|imaged|assessed|evaluated|available)\b|"
    r"\b(?:without|no|with and without)(?: iv| intravenous| oral| i\.v\.)* contrast\b|"
    r"\b(?:without|no) (?:complications?|difficulty|delay|prior|previous|comparison)\b",
    re.IGNORECASE,
)
_DENIAL = re.compile(
    rf"""\b(?:
    (?P<gone>{_BE}(?:\ \w+ly)?\ (?:ruled\ out|excluded|absent|missing)|{_BE}\ no\ longer)|
    (?P<unseen>(?:{_BE}|ha(?:s|ve)|can|could)?\ ?(?:not|n['’]t|cannot)\ (?:be\ |been\ )?(?:\w+ly\ )?{_SEEN})|
    (?P<quality>{_BE}(?:\ \w+ly)?\ (?:not|free\ (?:of|from)|clear\ of|without|negative|devoid\ of)|
        {_SHOW}\ (?:no|neither)|(?:do|does|did)\ not\ {_SHOW_PLAIN}|(?:is|are|was|were)n['’]t)|
    (?P<verb>(?:do|does|did|has|have|had|can|could|will)\ not|(?:do|does|did|ca|could)n['’]t|cannot)|
    (?P<ahead>no|not|without|neither|nor|never|none|nil|negative\ for|(?:free|clear|devoid)\ of|free\ from|absent|
        absence\ of|lack(?:s|ing)?(?:\ of)?|(?:rule[sd]|ruling)\ out|exclud(?:es|ed|ing)|denie[sd]|denying)
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_SCOPE_END = re.compile(
    r"[;:]|\b(?:but|however|although|though|except|excepting|apart from|aside from|other than|besides|yet|nevertheless|"
    r"whereas|while|which|because|due to|with (?:an? )?(?:normal|intact|preserved|unremarkable|unchanged|stable))\b|"
    r",\s*(?:with|stable|unchanged|known|old|chronic|status post)\b",
    re.IGNORECASE,
)
_LINK = re.compile(r"(?P<comma>,\s*)?(?:\band\b\s*)|,\s*")
_ARTICLE = re.compile(r"(?:the|an?|both|there|another|several|multiple|some|this)\b", re.IGNORECASE)
_NEW = re.compile(r"(?:an?|another|several|multiple|some|there)\b", re.IGNORECASE)
_IS_SEEN = re.compile(rf"{_BE}(?: \w+ly| also)? {_SEEN}", re.IGNORECASE)
_DETERMINERS = re.compile(r"(?:\b(?:the|both|visuali[sz]ed|imaged|and|bilateral|normal)\b|[\s,\-*•])*", re.IGNORECASE)


class Place(NamedTuple):
    """Where a term is in a sentence.

    Attributes:
        start: Of its first character.
        end: After its last one.
        lesion: Whether it is a lesion, which can be denied itself, not only something in it.
    """

    start: int
    end: int
    lesion: bool


def negated_places(sentence: str, found: list[Place]) -> set[int]:
    """Numbers, from 0, of the terms in a sentence of which something is denied."""
    sentence = _NO_DENIAL.sub(lambda match: "#" * len(match[0]), sentence)
    denials = list(_DENIAL.finditer(sentence))
    if not denials:
        return set()
    borders = _borders(sentence, denials)
    negated: set[int] = set()
    for denial in denials:
        before = [border for border in borders if border[1] <= denial.start()]
        scope_start = before[-1][1] if before else 0
        after = [start for start, _ in borders if start >= denial.end()]
        if after and sentence[after[0]] == ":" and not any(denial.end() <= each.start < after[0] for each in found):
            after = after[1:]  # "no abnormality of the following: liver, spleen"
        scope_end = after[0] if after else len(sentence)
        ahead = [number for number, each in enumerate(found) if denial.end() <= each.start < scope_end]
        kind = denial.lastgroup
        opening = sentence[scope_start : denial.start()].strip()
        if kind == "ahead" and before and not opening and sentence[before[-1][0]] == ":":
            scope_start = before[-2][1] if len(before) > 1 else 0
            # "Uterus: no fibroids" denies something in it, "Pleural effusion: none" the lesion itself
            kind = "quality" if sentence[denial.end() :].strip(" .") else "gone"
        behind = [
            number for number, each in enumerate(found) if scope_start <= each.start and each.end <= denial.start()
        ]
        if (
            kind == "ahead"
            and behind
            and _only_names(sentence, [found[number] for number in behind], scope_start, denial.start())
        ):
            kind = "quality"  # "Lungs without consolidation"
        elif kind == "verb" and not ahead:
            kind = "quality"  # "the lesion does not enhance"
        negated.update(ahead)
        if kind in ("gone", "unseen"):
            negated.update(behind)
        elif kind == "quality":
            # of a lesion that is "not enlarged" or "shows no calcification", its presence is not denied
            negated.update(number for number in behind if not found[number].lesion)
    return negated


def _borders(sentence: str, denials: list[re.Match]) -> list[tuple[int, int]]:
    """(Start, end) of the words and commas over which no denial reaches, in order."""
    borders = {match.span() for match in _SCOPE_END.finditer(sentence)}
    predicates = [match.end() for match in (*_VERB.finditer(sentence), *denials)]
    for verb in _VERB.finditer(sentence):
        # a new clause starts at the last comma or "and" between two predicates, rather at one with an article after it
        before = max((end for end in predicates if end <= verb.start()), default=None)
        if before is None:
            continue
        links = list(_LINK.finditer(sentence, before, verb.start()))
        if not links:
            continue
        link = max(links, key=lambda each: (bool(_ARTICLE.match(sentence, each.end()) or each["comma"]), each.start()))
        if not _IS_SEEN.match(sentence, verb.start()) or _NEW.match(sentence, link.end()):
            borders.add(link.span())
    return sorted(borders)


def _only_names(sentence: str, found: list[Place], start: int, end: int) -> bool:
    """Whether a stretch of a sentence holds nothing but terms and articles."""
    for each in found:
        if not _DETERMINERS.fullmatch(sentence, start, each.start):
            return False
        start = max(start, each.end)
    return bool(_DETERMINERS.fullmatch(sentence, start, end))
