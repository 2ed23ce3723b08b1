"""Cases from whatever describes them; the format is told by its content."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from SATSegmentLib.errors import Cancelled, InputError
from SATSegmentLib.imaging import modality_of_word

from .case import Case, DatasetLabels, Label, read_cases
from .dataset_json import DATASET_JSON, cases_of_decathlon, cases_of_nnunet, read_description
from .folders import Progress, cases_of_folder
from .masks import layers_of, stem_of
from .matching import labels_of_datasets

__all__ = ["cases_of_decathlon", "cases_of_folder", "cases_of_nnunet", "cases_of_sat_ds", "load_cases"]


def load_cases(
    path: Path,
    channel: str = "",
    modality: str = "",
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    with_files: bool = True,
) -> tuple[list[Case], dict[str, DatasetLabels]]:
    """Cases of a list (`read_cases`, SAT-DS) or of a data set (nnU-Net, Decathlon), and what their labels teach.

    What a label teaches is the term it matches for sure by its code or name, else its own name.

    Args:
        path: JSONL file, `dataset.json`, or the folder of one.
        channel, modality: For data sets with several channels, or a channel whose name does not say the modality.
        progress, cancelled: As for `cases_of_sat_ds`, whose masks must be opened.
        with_files: As for `read_cases`; the others' files must be there.

    Raises:
        InputError: The format is unknown, or its content wrong.
        Cancelled: `cancelled` said so.
    """
    if path.is_dir() or path.suffix.lower() == ".json":
        cases = _described(path, channel, modality)
    else:
        first = next((row for _, row in _rows(path)), {})
        foreign = "label" in first and "labels" not in first
        cases = cases_of_sat_ds(path, progress, cancelled) if foreign else read_cases(path, with_files)
    if not cases:
        raise InputError(f"{path} lists no cases; add some.")
    return cases, labels_of_datasets(cases, {})


def cases_of_sat_ds(
    path: Path, progress: Progress | None = None, cancelled: Callable[[], bool] | None = None
) -> list[Case]:
    """Cases of a JSONL file with the keys of SAT-DS: `image`, `mask`, `label` (a list of names), `modality`, `dataset`,
    and `patient_id` where it is known; paths relative to the file.

    A mask has three dimensions and the values 1, 2, ... in the order of `label`; or four, and a layer of 0 and 1 for
    each. A case is called as its data set and image, with a number where that is not unique.

    Args:
        path: The file.
        progress: Called after each case.
        cancelled: Asked before each case.

    Raises:
        InputError: A line is malformed or a file is missing.
        Cancelled: `cancelled` said so.
    """
    cases: list[Case] = []
    taken: Counter[str] = Counter()
    rows = list(_rows(path))
    for done, (number, row) in enumerate(rows, start=1):
        if cancelled and cancelled():
            raise Cancelled
        try:
            case = _sat_ds(row, path.parent)
        except InputError as error:
            raise InputError(f"{path}, line {number}: {error}") from error
        except KeyError as error:
            raise InputError(f"{path}, line {number}: {error} is missing; add it.") from error
        except (TypeError, AttributeError) as error:
            raise InputError(f"{path}, line {number} is malformed: {error}; correct it.") from error
        taken[case.id] += 1
        cases.append(replace(case, id=f"{case.id}#{taken[case.id]}") if taken[case.id] > 1 else case)
        if progress:
            progress(done, len(rows))
    return cases


def _described(path: Path, channel: str, modality: str) -> list[Case]:
    description = path / DATASET_JSON if path.is_dir() else path
    if path.is_dir() and not description.exists():
        raise InputError(
            f"There is no {DATASET_JSON} in {path}; for a folder of images and masks say how their files are called, "
            "or give a case list."
        )
    values = read_description(description)
    if "channel_names" in values or "training" not in values:
        return cases_of_nnunet(description.parent, channel, modality)
    return cases_of_decathlon(description, channel, modality)


def _rows(path: Path) -> Iterator[tuple[int, dict]]:
    """Line numbers and objects of a JSONL file."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise InputError(f"{path}, line {number} is no JSON object; write one case a line.")
                    yield number, row
    except FileNotFoundError:
        raise InputError(f"There is no case list {path}.") from None
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no list of cases, one JSON object a line: {error}.") from error


def _sat_ds(row: dict, folder: Path) -> Case:
    image, mask = folder / row["image"], folder / row["mask"]
    for file in (image, mask):
        if not file.exists():
            raise InputError(f"there is no file {file}; complete the data set, or correct the path.")
    layered = layers_of(mask) > 1
    if not isinstance(row["label"], list):
        raise InputError(f'"label" must be a list of names, not {row["label"]!r}; correct it.')
    labels = tuple(
        Label(str(name), 1 if layered else number + 1, number if layered else 0)
        for number, name in enumerate(row["label"])
    )
    dataset = str(row["dataset"])
    patient = str(row.get("patient_id") or "")
    # patients are numbered anew in each data set
    patient = f"{dataset}/{patient}" if patient else ""
    return Case(f"{dataset}/{stem_of(image)}", image, mask, labels, modality_of_word(row["modality"]), dataset, patient)
