"""The cases chosen for a training, and what their labels teach; kept as text in the scene."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from SATSegmentLib.errors import InputError

from ..cases import Case, DatasetLabels, Label

_SEPARATOR = ";"  # between terms of one label


@dataclass(frozen=True)
class Meaning:
    """What a label teaches.

    Attributes:
        terms: In lower case; none where it is not taught.
        sure: Known by its code or name, or said by the user; else only a guess.
    """

    terms: tuple[str, ...]
    sure: bool

    @property
    def text(self) -> str:
        """As the user edits it."""
        return f"{_SEPARATOR} ".join(self.terms)


def terms_of_text(text: str) -> tuple[str, ...]:
    """The inverse of `Meaning.text`."""
    terms = (" ".join(term.lower().split()) for term in text.split(_SEPARATOR))
    return tuple(dict.fromkeys(filter(None, terms)))


class TrainingSet:
    """Cases and meanings of their labels, by data set."""

    def __init__(self) -> None:
        self.cases: list[Case] = []
        self.meanings: dict[str, dict[str, Meaning]] = {}

    def add(self, cases: Iterable[Case], meanings: dict[str, dict[str, Meaning]]) -> list[Case]:
        """Adds cases and what is not known yet of their labels.

        A case whose image and mask are there already is left out; one whose id is taken gets a number.

        Returns:
            What was added.
        """
        files = {(case.image, case.mask) for case in self.cases}
        taken = {case.id for case in self.cases}
        added = []
        for case in cases:
            if (case.image, case.mask) in files:
                continue
            case_id, number = case.id, 1
            while case_id in taken:
                number += 1
                case_id = f"{case.id}-{number}"
            taken.add(case_id)
            files.add((case.image, case.mask))
            added.append(replace(case, id=case_id))
        self.cases += added
        for dataset, labels in meanings.items():
            known = self.meanings.setdefault(dataset, {})
            known.update({name: meaning for name, meaning in labels.items() if name not in known})
        return added

    def update(self, case: Case) -> None:
        """Replaces the case of the same id."""
        self.cases = [case if other.id == case.id else other for other in self.cases]

    def remove(self, ids: Iterable[str]) -> None:
        """Removes cases; what was said of their labels is kept as long as the data set has cases."""
        ids = set(ids)
        self.cases = [case for case in self.cases if case.id not in ids]
        left = {case.dataset for case in self.cases}
        self.meanings = {dataset: labels for dataset, labels in self.meanings.items() if dataset in left}

    def set_terms(self, dataset: str, label: str, terms: tuple[str, ...]) -> None:
        """What the user says of a label."""
        self.meanings.setdefault(dataset, {})[label] = Meaning(terms, True)

    def rows(self) -> list[tuple[str, str, int]]:
        """(data set, label, cases with it), in the order in which they come."""
        counts: Counter[tuple[str, str]] = Counter()
        for case in self.cases:
            counts.update(list(dict.fromkeys((case.dataset, label.name) for label in case.labels)))
        return [(dataset, label, count) for (dataset, label), count in counts.items()]

    def meaning(self, dataset: str, label: str) -> Meaning:
        """What a label teaches; its own name where nothing was said."""
        return self.meanings.get(dataset, {}).get(label) or Meaning((label.lower(),), False)

    def datasets(self) -> dict[str, DatasetLabels]:
        """For a `TrainingConfig`."""
        found: dict[str, dict[str, tuple[str, ...]]] = {}
        for dataset, label, _count in self.rows():
            found.setdefault(dataset, {})[label] = self.meaning(dataset, label).terms
        return {dataset: DatasetLabels(terms) for dataset, terms in found.items()}

    def terms(self) -> list[str]:
        """All that is taught, each once."""
        return list(dict.fromkeys(term for row in self.rows() for term in self.meaning(*row[:2]).terms))

    def cases_text(self) -> str:
        """For the scene."""
        rows = [asdict(case) | {"image": str(case.image), "mask": str(case.mask)} for case in self.cases]
        return json.dumps(rows, ensure_ascii=False) if rows else ""

    def meanings_text(self) -> str:
        """For the scene."""
        rows = {
            dataset: {label: [list(meaning.terms), meaning.sure] for label, meaning in labels.items()}
            for dataset, labels in self.meanings.items()
        }
        return json.dumps(rows, ensure_ascii=False) if rows else ""

    @classmethod
    def from_texts(cls, cases: str, meanings: str) -> TrainingSet:
        """The inverse of `cases_text` and `meanings_text`.

        Raises:
            InputError: They are damaged.
        """
        made = cls()
        try:
            for row in json.loads(cases or "[]"):
                labels = tuple(Label(**label) for label in row.pop("labels"))
                made.cases.append(Case(**row | {key: Path(row[key]) for key in ("image", "mask")}, labels=labels))
            for dataset, rows in json.loads(meanings or "{}").items():
                made.meanings[dataset] = {label: Meaning(tuple(terms), sure) for label, (terms, sure) in rows.items()}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError("The cases in this scene are damaged and were left out; add them again.") from error
        return made


def meanings_of(cases: Iterable[Case]) -> dict[str, dict[str, Meaning]]:
    """What the codes and names of labels say they are; takes a second where the search is not there yet."""
    from SATSegmentLib.widgets.search_index import search_index

    from ..cases.matching import match

    search_index()  # one thread makes it, not two
    labels: dict[str, list[Label]] = {}
    for case in cases:
        labels.setdefault(case.dataset, []).extend(case.labels)
    return {
        dataset: {name: Meaning(found.terms, found.certain) for name, found in match(own).items()}
        for dataset, own in labels.items()
    }
