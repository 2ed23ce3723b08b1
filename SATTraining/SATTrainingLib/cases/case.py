"""Labelled cases and what each of them can teach."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging import modality_of_word
from SATSegmentLib.output.atomic import written


@dataclass(frozen=True)
class Label:
    """One annotated structure of a case.

    Attributes:
        name: As its source calls it.
        value: In the mask; a voxel of this value belongs to it. A structure of several values is several labels of one
            name.
        layer: Of a mask with several layers, whose structures may overlap.
        code: `scheme^value` as the source gives it, such as "SCT^64033007", or empty. What says more follows after "~":
            side, region and the region's side: "SCT^64033007~SCT^7771000" is a left kidney.
    """

    name: str
    value: int
    layer: int = 0
    code: str = ""


@dataclass(frozen=True)
class Case:
    """A scan, its mask and what the mask's values mean.

    Attributes:
        id: Unique in its list.
        image: A file that `Volume.read` reads.
        mask: On the same grid: one integer a voxel (I, J, K), or several layers (I, J, K, L).
        labels: What was annotated, found or not. A structure without a label is unknown here, not absent.
        modality: "ct", "mri", "pet", "us".
        dataset: The group the case was sampled from.
        patient: Cases of one patient never part in a split; empty where that is not known (then its own).
    """

    id: str
    image: Path
    mask: Path
    labels: tuple[Label, ...]
    modality: str
    dataset: str
    patient: str = ""


@dataclass(frozen=True)
class DatasetLabels:
    """What the labels of one data set teach.

    Attributes:
        terms: Label name to the terms it is, or is a part of: `{"kidney_l": ("left kidney", "kidney")}`. A label
            that is not named teaches its own name in lower case; one with no terms teaches nothing.
        absent: Terms that are known to be outside the field of view of every case: taught as empty.
        lungs_from_air: Label both lungs by the air below the larynx (`data/lungs.py`); derived labels, to be named as
            such in a model's card.
    """

    terms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    lungs_from_air: bool = False

    def terms_of(self, case: Case) -> dict[str, tuple[Label, ...]]:
        """Term to the labels it is made of in `case`; none for an absent one.

        A term made of several labels is known only where all of them were annotated: half a pair of kidneys
        is no "kidney".
        """
        parts: dict[str, list[str]] = {}
        for name, terms in self.terms.items():
            for term in terms:
                parts.setdefault(term, []).append(name)
        annotated = {label.name for label in case.labels}
        found: dict[str, list[Label]] = {}
        for label in case.labels:
            if label.name not in self.terms:
                found.setdefault(" ".join(label.name.lower().split()), []).append(label)
                continue
            for term in self.terms[label.name]:
                if annotated.issuperset(parts[term]):
                    found.setdefault(term, []).append(label)
        return dict.fromkeys(self.absent, ()) | {term: tuple(labels) for term, labels in found.items()}


def read_cases(path: Path, with_files: bool = True) -> list[Case]:
    """Cases of a JSONL file, one object a line: `id`, `image`, `mask` (relative to the file), `labels` (value to name,
    or a list of `name`, `value`, `layer`, `code`), `modality` (any word for it, such as "T1"), `dataset`, and `patient`
    where it is known.

    Args:
        path: The file.
        with_files: Whether the scans and masks must be there; who only counts cases does not need them.

    Raises:
        InputError: A line is malformed, a file is missing, or an id comes twice.
    """
    if not path.is_file():
        raise InputError(f"There is no case list {path}.")
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # names may hold what `splitlines` takes for an end
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a list of cases: {error}.") from error
    cases: dict[str, Case] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            case = _case(json.loads(line), path.parent)
        except InputError as error:
            raise InputError(f"{path}, line {number}: {error}") from error
        except KeyError as error:
            raise InputError(f"{path}, line {number}: {error} is missing; add it.") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{path}, line {number} is malformed: {error}; correct it.") from error
        for file in (case.image, case.mask):
            if with_files and not file.exists():
                raise InputError(f"{path}, line {number}: there is no file {file}; correct the path.")
        if case.id in cases:
            raise InputError(f"{path}, line {number}: the id {case.id} comes twice; give each case its own.")
        cases[case.id] = case
    return list(cases.values())


def write_cases(path: Path, cases: Iterable[Case]) -> None:
    """Writes what `read_cases` reads, with absolute paths."""
    rows = [
        {
            "id": case.id,
            "image": str(case.image.absolute()),  # a link's own name says of which kind its file is
            "mask": str(case.mask.absolute()),
            "labels": [
                {"name": label.name, "value": label.value, "layer": label.layer, "code": label.code}
                for label in case.labels
            ],
            "modality": case.modality,
            "dataset": case.dataset,
            "patient": case.patient,
        }
        for case in cases
    ]
    with written(path) as temporary:
        temporary.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _case(row: dict, folder: Path) -> Case:
    labels = row["labels"]
    if isinstance(labels, dict):
        labels = [{"name": name, "value": value} for value, name in labels.items()]
    labels = tuple(
        Label(str(label["name"]), int(label["value"]), int(label.get("layer") or 0), str(label.get("code") or ""))
        for label in labels
    )
    for label in labels:
        if not label.name.strip():
            raise InputError(f"the label of the value {label.value} has no name; give it one.")
        if label.value == 0:
            raise InputError(f'the label "{label.name}" has the value 0, which is the background; remove it.')
        if label.layer < 0:
            raise InputError(f'the label "{label.name}" is said to be in layer {label.layer}; layers count from 0.')
    image, mask = folder / row["image"], folder / row["mask"]
    modality = modality_of_word(row["modality"])
    return Case(str(row["id"]), image, mask, labels, modality, str(row["dataset"]), str(row.get("patient") or ""))
