"""Labelled cases and what each of them can teach."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from SATSegmentLib.errors import InputError


@dataclass(frozen=True)
class Case:
    """A scan, its label map and what the labels mean.

    Attributes:
        id: Unique in its list.
        image, mask: Files on the same grid; the mask holds one integer label a voxel.
        labels: Label value to term. A term without a label is unknown in this case, not absent.
        modality: "ct", "mri", ...
        dataset: The group the case was sampled from.
    """

    id: str
    image: Path
    mask: Path
    labels: dict[int, str]
    modality: str
    dataset: str


@dataclass(frozen=True)
class DatasetRecipe:
    """How the labels of one data set become terms.

    Attributes:
        merge: Term to the labels it is made of, beside or instead of the labels themselves.
        drop: Labels that are not taught by themselves.
        absent: Terms that are known to be outside the field of view of every case: taught as empty.
        lungs_from_air: Label both lungs by the air below the larynx (`lungs.py`); derived labels, to be
            named as such in a model's card.
    """

    merge: dict[str, list[str]] = field(default_factory=dict)
    drop: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    lungs_from_air: bool = False

    def terms_of(self, case: Case) -> dict[str, tuple[int, ...]]:
        """Term to the label values it covers in `case`; empty for an absent one.

        A merged term is left out where none of its labels was annotated.
        """
        terms = {name: (value,) for value, name in case.labels.items() if name not in self.drop}
        for term, names in self.merge.items():
            if values := tuple(value for value, name in case.labels.items() if name in names):
                terms[term] = values
        return terms | dict.fromkeys(self.absent, ())


def read_cases(path: Path) -> list[Case]:
    """Cases of a JSONL file, one object a line with `id`, `image`, `mask` (relative to the file),
    `labels` (value to term), `modality`, `dataset`.

    Raises:
        InputError: A line is malformed, a file is missing, or an id comes twice.
    """
    if not path.is_file():
        raise InputError(f"There is no case list {path}.")
    cases: dict[str, Case] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            labels = {int(value): name for value, name in row["labels"].items()}
            image, mask = path.parent / row["image"], path.parent / row["mask"]
            case = Case(row["id"], image, mask, labels, row["modality"], row["dataset"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}, line {number}: {type(error).__name__} {error}.") from error
        for file in (case.image, case.mask):
            if not file.is_file():
                raise InputError(f"{path}, line {number}: there is no file {file}.")
        if case.id in cases:
            raise InputError(f"{path}, line {number}: the id {case.id} comes twice.")
        cases[case.id] = case
    return list(cases.values())


def split(cases: list[Case], held_back: Collection[str]) -> tuple[list[Case], list[Case]]:
    """(cases to train on, cases held back).

    Raises:
        InputError: An id to hold back is not among the cases, or none is left to train on.
    """
    if unknown := set(held_back) - {case.id for case in cases}:
        raise InputError(f"The recipe holds back cases that are not in the list: {', '.join(sorted(unknown))}.")
    training = [case for case in cases if case.id not in held_back]
    if not training:
        raise InputError("There is no case to train on.")
    return training, [case for case in cases if case.id in held_back]
