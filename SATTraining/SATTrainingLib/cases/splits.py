"""Who is trained on and who is held back: by patient, and the same each time for the same seed."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from SATSegmentLib.errors import InputError
from SATSegmentLib.output.atomic import written

from .case import Case

PARTS = ("trained", "validated", "tested")
_LISTED = 5


def split_folds(cases: Sequence[Case], folds: int, seed: int = 1) -> list[list[str]]:
    """Ids to hold out in each fold; each case in one fold, no patient in two, data sets spread evenly.

    Raises:
        InputError: There are fewer than 2 folds, or fewer patients than folds.
    """
    patients = _patients(cases, seed)
    if folds < 2:
        raise InputError("A split needs 2 folds or more.")
    if len(patients) < folds:
        raise InputError(f"{folds} folds need as many patients, and there are {len(patients)}; ask for fewer folds.")
    held: list[list[str]] = [[] for _ in range(folds)]
    sizes: list[Counter[str]] = [Counter() for _ in range(folds)]
    for patient in patients:
        datasets = Counter(case.dataset for case in patient)
        fold = min(range(folds), key=lambda fold: (sum(sizes[fold][name] for name in datasets), len(held[fold])))
        held[fold] += [case.id for case in patient]
        sizes[fold] += datasets
    return [sorted(fold) for fold in held]


def hold_out(cases: Sequence[Case], share: float, seed: int = 1) -> list[str]:
    """Ids of whole patients that are about `share` of the cases of each data set; one patient at least.

    Raises:
        InputError: `share` is not between 0 and 1, or there are fewer than 2 patients.
    """
    if not 0 < share < 1:
        raise InputError(f"The share to hold out must lie between 0 and 1, not {share}.")
    patients = _patients(cases, seed)
    if len(patients) < 2:
        raise InputError("Holding out needs the cases of two patients or more; add cases.")
    left = {name: share * count for name, count in Counter(case.dataset for case in cases).items()}
    held: list[Case] = []
    for patient in patients[:-1]:  # one stays to train on
        dataset = patient[0].dataset
        if left[dataset] >= len(patient) / 2:
            left[dataset] -= len(patient)
            held += patient
    return sorted(case.id for case in held or patients[-1])


def parts(
    cases: Sequence[Case], validation: Iterable[str], test: Iterable[str]
) -> tuple[list[Case], list[Case], list[Case]]:
    """The cases to train on, to validate on and to test on, each in the order of `cases`.

    Raises:
        InputError: An id is not among the cases or is in both lists, a patient is in two parts, or nothing is left to
            train on.
    """
    if not cases:
        raise InputError("There are no cases to train on; add some.")
    validation, test = set(validation), set(test)
    if unknown := sorted((validation | test) - {case.id for case in cases}):
        raise InputError(f"{_named(unknown)} to hold out, but not in the case list; correct the ids.")
    if both := sorted(validation & test):
        raise InputError(f"{_named(both)} to be validated and tested on; choose one.")
    training = [case for case in cases if case.id not in validation | test]
    if not training:
        raise InputError("All cases are held out and nothing is left to train on; hold out fewer.")
    found = (
        training,
        [case for case in cases if case.id in validation],
        [case for case in cases if case.id in test],
    )
    for _, sentence in parted_patients(found):
        raise InputError(sentence)
    return found


def write_splits(path: Path, folds: Sequence[Sequence[str]]) -> None:
    """Writes folds as nnU-Net's `splits_final.json` does: for each the ids to train on ("train") and those held out
    ("val").

    Raises:
        SATError: The file cannot be written.
    """
    rows = [
        {"train": [key for other in folds if other is not fold for key in other], "val": list(fold)} for fold in folds
    ]
    with written(path) as temporary:
        temporary.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def read_splits(path: Path) -> list[list[str]]:
    """Ids held out in each fold of a file of `write_splits` or of nnU-Net.

    Raises:
        InputError: The file is missing or malformed.
    """
    try:
        folds = [[str(key) for key in fold["val"]] for fold in json.loads(path.read_text(encoding="utf-8-sig"))]
    except FileNotFoundError:
        raise InputError(f"There is no file {path}; make it with `sattraining split`.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f'{path} is no list of folds with "train" and "val": {error}; make one with `sattraining split`.'
        ) from error
    if not folds:
        raise InputError(f"{path} holds no folds; make it with `sattraining split`.")
    return folds


def fold_of(path: Path, fold: int) -> list[str]:
    """Ids held out in one fold, counted from 0, of a file that `read_splits` reads.

    Raises:
        InputError: As `read_splits`, or there are fewer folds.
    """
    folds = read_splits(path)
    if fold >= len(folds):
        raise InputError(f"{path} has {len(folds)} folds, counted from 0; there is no fold {fold}.")
    return folds[fold]


def parted_patients(found: Sequence[Sequence[Case]]) -> Iterator[tuple[list[Case], str]]:
    """The patients of whom the network would be told, or chosen by, what it is measured on.

    Args:
        found: As `parts` gives them.

    Yields:
        The cases of such a patient, and a sentence.
    """
    patients: dict[str, list[tuple[Case, str]]] = {}
    for name, cases in zip(PARTS, found, strict=True):
        for case in cases:
            patients.setdefault(patient_of(case), []).append((case, name))
    for patient, own in patients.items():
        names = dict.fromkeys(name for _, name in own)
        if len(names) > 1:
            yield (
                [case for case, _ in own],
                f"Cases of the patient {patient} are {' and '.join(names)} on ({listed(case.id for case, _ in own)}); "
                "keep them on one side of the split, or correct the patient where they are of different people.",
            )


def listed(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


def patient_of(case: Case) -> str:
    """Who a case is of: its patient, else itself."""
    return case.patient or f"case {case.id}"


def _patients(cases: Sequence[Case], seed: int) -> list[list[Case]]:
    """The cases of each patient, in an order that `seed` and the ids alone decide; those with most cases first."""
    groups: dict[str, list[Case]] = {}
    for case in sorted(cases, key=lambda case: case.id):
        groups.setdefault(patient_of(case), []).append(case)
    patients = list(groups.values())
    random.Random(seed).shuffle(patients)
    return sorted(patients, key=len, reverse=True)


def _named(ids: list[str]) -> str:
    return f"{listed(ids)} {'is' if len(ids) == 1 else 'are'}"
