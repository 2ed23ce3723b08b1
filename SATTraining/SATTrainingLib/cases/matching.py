"""Labels matched to terms of the knowledge tree: by their code, by their name, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from SATSegmentLib.anatomy import Term, coded_terms, knowledge_tree, term_index
from SATSegmentLib.anatomy.search import TERM
from SATSegmentLib.anatomy.words import split

from .case import Case, DatasetLabels, Label
from .label_names import of_a_kind, readings

CODE, NAME, FREE_TEXT = "code", "name", "free text"
IGNORED = "ignore"  # what nnU-Net calls voxels that were not annotated: no term

_CANDIDATES = 6
_ABBREVIATION = 3  # letters: "LV" means one thing in a brain and another in a heart


@dataclass(frozen=True)
class Match:
    """What a label means.

    Attributes:
        terms: As text to train on: SAT's own class name where there is one, for published models know that; else the
            tree's name; in lower case. The label's own name where nothing was found.
        certain: False asks a person.
        how: CODE, NAME or FREE_TEXT.
        candidates: Terms it may mean, the likeliest first; with those of `terms` that are from the tree.
    """

    terms: tuple[str, ...]
    certain: bool
    how: str
    candidates: tuple[str, ...] = ()


def match(labels: Iterable[Label]) -> dict[str, Match]:
    """Label name to what it means, in the order given; of labels of one name the first that has a code counts."""
    chosen: dict[str, Label] = {}
    for label in labels:
        if label.name not in chosen or (label.code and not chosen[label.name].code):
            chosen[label.name] = label
    return {name: _match(name, label.code) for name, label in chosen.items()}


def labels_of_datasets(cases: Iterable[Case], given: Mapping[str, DatasetLabels]) -> dict[str, DatasetLabels]:
    """What the labels of each data set teach: as `given`, else the term that `match` is certain of."""
    labels: dict[str, dict[Label, None]] = {}
    for case in cases:
        labels.setdefault(case.dataset, {}).update(dict.fromkeys(case.labels))
    found = {}
    for dataset, own in labels.items():
        base = given.get(dataset, DatasetLabels())
        matched = {name: other.terms for name, other in match(own).items() if other.certain}
        nothing = {label.name: () for label in own if label.name == IGNORED}
        found[dataset] = replace(base, terms=matched | nothing | base.terms)
    return found


def text_of(term: Term) -> str:
    """The text to train a term on."""
    return term.prompts[0] if term.prompts else term.name.lower()


@cache
def _match(name: str, code: str) -> Match:
    coded = coded_terms(code)
    named, sure = _by_name(name)
    if not coded:
        return _of_name(name, named, sure)
    if len(coded) == 1 and not sure:
        return Match((text_of(coded[0]),), True, CODE, _texts(coded))
    narrower = [term for term in named if any(_is_within(term, other) for other in coded)]
    if sure and narrower:  # "left kidney" coded as a kidney; "liver metastasis" as a tumor in the liver
        text = _own_text(name, narrower[0])
        return Match((text,), True, CODE, (text,))
    if sure:  # the two disagree; a name is what people see and correct
        return Match((_own_text(name, named[0]),), False, NAME, _texts([*named, *coded]))
    return Match((text_of(coded[0]),), False, CODE, _texts([*coded, *named]))


def _of_name(name: str, named: list[Term], sure: bool) -> Match:
    if sure:
        text = _own_text(name, named[0])
        return Match((text,), True, NAME, (text,))
    spelled = [*readings(name)][-1:]
    hits = [hit.term for text in spelled for hit in term_index().search(text, limit=_CANDIDATES) if hit.kind == TERM]
    if named:
        return Match((text_of(named[0]),), False, NAME, _texts([*named, *hits]))
    return Match((" ".join(name.lower().split()),), False, FREE_TEXT, _texts(hits))


def _own_text(name: str, term: Term) -> str:
    """The class name of SAT's that the label itself is, else the term's text."""
    return next((text for text in readings(name) if text in term.prompts), text_of(term))


def _texts(terms: Iterable[Term]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(text_of, terms)))[:_CANDIDATES]


def _is_within(term: Term, other: Term) -> bool:
    return term.id == other.id or any(above.id == other.id for above in knowledge_tree().ancestors(term.id))


def _by_name(name: str) -> tuple[list[Term], bool]:
    """The terms that have a name, the likeliest first, and whether the first is meant for sure."""
    texts = list(readings(name))
    for text in (name, *texts):
        if term := knowledge_tree().named(text):
            return [term], True
    for text in texts:
        if found := _called(text):
            words = sorted(split(text).words)
            ranked = sorted(found, key=lambda term: (not _is_own(term, words), -term.weight, term.name))
            own = sum(_is_own(term, words) for term in ranked)
            return ranked, own == 1 or (len(ranked) == 1 and len("".join(words)) > _ABBREVIATION)
    kinds = {term.id: term for text in texts[-1:] for other in of_a_kind(text) for term in _called(other)}
    return sorted(kinds.values(), key=lambda term: -term.weight), len(kinds) == 1


def _called(text: str) -> list[Term]:
    """The terms that have a name of just these words, in any order, on the side that `text` says."""
    tree, (words, side) = knowledge_tree(), split(text)
    named = list(term_index().exact(words)) or [
        (hit.term, said)
        for hit in term_index().search(text, limit=2 * _CANDIDATES)
        if hit.kind == TERM
        for said in _sides_of_names(hit.term, sorted(words))
    ]
    found = {}
    for term, said in named:
        sided = tree.side_of(term.id, side) if side and not (said or term.side) else term
        if sided and said in ("", side) and (side or not sided.side):
            found[sided.id] = sided
    return list(found.values())


def _sides_of_names(term: Term, words: list[str]) -> set[str]:
    """The sides said by those of a term's names that have just these words, in any order."""
    names = map(split, (term.name, *term.prompts, *term.synonyms))
    return {name.side for name in names if sorted(name.words) == words}


def _is_own(term: Term, words: list[str]) -> bool:
    return any(sorted(split(name).words) == words for name in (term.name, *term.prompts))
