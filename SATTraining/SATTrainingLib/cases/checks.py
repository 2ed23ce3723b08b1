"""What is wrong with cases, told before anything is trained on them: each problem a sentence that says what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np

from SATSegmentLib.anatomy.words import split
from SATSegmentLib.errors import Cancelled, InputError
from SATSegmentLib.imaging import Volume

from .case import Case, DatasetLabels, Label
from .folders import Progress
from .label_names import readings
from .masks import read_grid, read_layers
from .matching import IGNORED
from .splits import PARTS, listed, parted_patients

ERROR, WARNING = "error", "warning"

_SIDE_TOLERANCE = 5.0  # mm; the middles of what lies near the midline differ by chance


@dataclass(frozen=True)
class Problem:
    """Something wrong.

    Attributes:
        case: Id of the case; of the first where there are several.
        label: Name of the label, or empty.
        severity: ERROR for what cannot be right, WARNING for what a person should look at.
        text: A sentence.
    """

    case: str
    label: str
    severity: str
    text: str


def check_case(case: Case, labels: DatasetLabels) -> list[Problem]:
    """What is wrong with one case: files, grid, labels, values, sides. Reads its mask.

    Args:
        case: With files that may be missing or damaged.
        labels: What its labels teach; labels that teach nothing are not looked at.
    """
    problems = _nameless(case, labels) + _double_values(case, labels)
    try:
        layers, affine = read_layers(case)
    except InputError as error:
        return [*problems, Problem(case.id, "", ERROR, str(error))]
    found = _Voxels(layers)
    problems += _empty(case, labels, found)
    problems += _unknown_values(case, found)
    problems += _ignored(case, found)
    problems += _sides(case, labels, found, affine)
    return problems


def check_list(
    cases: Sequence[Case],
    validation: Iterable[str] = (),
    test: Iterable[str] = (),
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[Problem]:
    """What is wrong between cases: the same image twice, one patient on both sides of a split.

    Images are read only where two lie on one grid, and only those of them whose files may hold the same.

    Args:
        cases: With unique ids.
        validation, test: Ids that are held out.
        progress: Called after each header and each image.
        cancelled: Asked before each.

    Raises:
        Cancelled: `cancelled` said so.
    """
    part = dict.fromkeys(validation, "validated") | dict.fromkeys(test, "tested")
    part = {case.id: part.get(case.id, "trained") for case in cases}
    found = [[case for case in cases if part[case.id] == name] for name in PARTS]
    problems = [Problem(own[0].id, "", ERROR, sentence) for own, sentence in parted_patients(found)]
    for same in _same_images(cases, progress, cancelled):
        parts = sorted({part[case.id] for case in same})
        names = listed(case.id for case in same)
        if len(parts) > 1:
            text = f"{names} have the same image and are {' and '.join(parts)} on; keep them on one side of the split."
            problems.append(Problem(same[0].id, "", ERROR, text))
        else:
            text = f"{names} have the same image; remove all but one, unless their labels differ on purpose."
            problems.append(Problem(same[0].id, "", WARNING, text))
    return problems


class _Voxels:
    """Counts and middles of the values of a mask (I, J, K, layer)."""

    def __init__(self, layers: np.ndarray) -> None:
        self._sums: dict[tuple[int, int], np.ndarray] = {}
        # slice by slice, for a mask of many voxels fits into memory once only
        for layer, k in np.ndindex(layers.shape[3], layers.shape[2]):
            plane = layers[:, :, k, layer]
            i, j = np.nonzero(plane)
            values, place, counts = np.unique(plane[i, j], return_inverse=True, return_counts=True)
            sums = np.stack((counts, np.bincount(place, i), np.bincount(place, j), counts * k), axis=1, dtype=float)
            for value, row in zip(values.tolist(), sums, strict=True):
                self._sums[layer, value] = self._sums.get((layer, value), 0) + row

    @property
    def counts(self) -> dict[tuple[int, int], int]:
        """(layer, value) to voxels, in order."""
        return {key: int(self._sums[key][0]) for key in sorted(self._sums)}

    def of(self, labels: Iterable[Label]) -> int:
        """Voxels of labels, those of two counted twice."""
        return int(self._of(labels)[0])

    def middle(self, labels: Iterable[Label]) -> np.ndarray:
        """Mean index (i, j, k) of the voxels of labels, which have one at least."""
        sums = self._of(labels)
        return sums[1:] / sums[0]

    def _of(self, labels: Iterable[Label]) -> np.ndarray:
        return sum((self._sums.get((label.layer, label.value), 0) for label in labels), start=np.zeros(4))


def _taught(case: Case, labels: DatasetLabels) -> dict[str, list[Label]]:
    """Name to the labels of that name, of those that teach a term."""
    named: dict[str, list[Label]] = {}
    for label in case.labels:
        if labels.terms.get(label.name, (label.name,)) and label.name != IGNORED:
            named.setdefault(label.name, []).append(label)
    return named


def _nameless(case: Case, labels: DatasetLabels) -> list[Problem]:
    names = [name for name in _taught(case, labels) if name not in labels.terms and not any(readings(name))]
    if not names:
        return []
    text = f"{case.id}: the labels {listed(names)} do not say what they are; name a term for each."
    return [Problem(case.id, names[0], ERROR, text)]


def _double_values(case: Case, labels: DatasetLabels) -> list[Problem]:
    owners: dict[frozenset, str] = {}
    problems = []
    for name, same in _taught(case, labels).items():
        other = owners.setdefault(frozenset((label.layer, label.value) for label in same), name)
        if other != name:
            text = (
                f"{case.id}: {other} and {name} have the same value {same[0].value} in the mask; correct one of them, "
                "or remove it."
            )
            problems.append(Problem(case.id, name, ERROR, text))
    return problems


def _empty(case: Case, labels: DatasetLabels, found: _Voxels) -> list[Problem]:
    named = _taught(case, labels)
    empty = [name for name, same in named.items() if not found.of(same)]
    if named and len(empty) == len(named):
        text = f"{case.id}: none of its labels has a voxel, so nothing can be learnt from it; correct it or remove it."
        return [Problem(case.id, "", ERROR, text)]
    if not named:
        text = f"{case.id}: no label teaches a term; name terms for its labels, or remove the case."
        return [Problem(case.id, "", ERROR, text)]
    return [
        Problem(
            case.id,
            name,
            WARNING,
            f"{case.id}: {name} has no voxel and is taught as absent; remove the label from this case if nobody looked "
            "for it.",
        )
        for name in empty
    ]


def _unknown_values(case: Case, found: _Voxels) -> list[Problem]:
    known = {(label.layer, label.value) for label in case.labels}
    unknown = [
        f"{value} ({count} voxels)" for (layer, value), count in found.counts.items() if (layer, value) not in known
    ]
    if not unknown:
        return []
    said = f"value {unknown[0]}" if len(unknown) == 1 else f"values {listed(unknown)}"
    text = (
        f"{case.id}: the mask has the {said} without a label; name what it is, for it is taught as background to the "
        "other labels."
    )
    return [Problem(case.id, "", WARNING, text)]


def _ignored(case: Case, found: _Voxels) -> list[Problem]:
    count = found.of(label for label in case.labels if label.name == IGNORED)
    if not count:
        return []
    text = (
        f"{case.id}: {count} voxels are marked to be ignored, but are taught as background; use cases that are "
        "annotated throughout."
    )
    return [Problem(case.id, IGNORED, WARNING, text)]


def _sides(case: Case, labels: DatasetLabels, found: _Voxels, affine: np.ndarray) -> list[Problem]:
    """Left terms whose middle lies to the right of their counterparts'."""
    sided: dict[str, dict[str, tuple[str, list[Label]]]] = {}
    for term, own in replace(labels, absent=()).terms_of(case).items():
        words = split(term)
        if words.side and found.of(own):
            sided.setdefault(" ".join(words.words), {})[words.side] = (term, own)
    problems = []
    for pair in sided.values():
        if len(pair) < 2:
            continue
        (left, left_labels), (right, right_labels) = pair["left"], pair["right"]
        difference = affine[:3, :3] @ (found.middle(left_labels) - found.middle(right_labels))
        if difference[0] > _SIDE_TOLERANCE:  # RAS: the first coordinate grows to the patient's right
            text = (
                f"{case.id}: {left} lies {difference[0]:.0f} mm to the right of {right}; exchange the two labels, or "
                "correct the mask if it is mirrored."
            )
            problems.append(Problem(case.id, left_labels[0].name, ERROR, text))
    return problems


def _same_images(cases: Sequence[Case], progress: Progress | None, cancelled) -> list[list[Case]]:
    """Groups of cases whose images have the same voxels; unreadable ones are `check_case`'s."""

    def step(done: int) -> None:
        if progress:
            progress(done, 2 * len(cases))
        if cancelled and cancelled():
            raise Cancelled

    grids: dict[tuple, list[tuple[Case, int]]] = {}
    for done, case in enumerate(cases, start=1):
        with suppress(InputError, OSError):
            shape, affine = read_grid(case.image)
            grid = shape, *np.round(affine, 2).ravel().tolist()
            grids.setdefault(grid, []).append((case, case.image.stat().st_size))
        step(done)
    alike = [case for group in grids.values() for case in _may_be_same(*map(list, zip(*group, strict=True)))]
    if cases and not alike:
        step(2 * len(cases))
    contents: dict[bytes, list[Case]] = {}
    digests: dict[Path, bytes] = {}
    for done, case in enumerate(alike, start=2 * len(cases) - len(alike) + 1):
        file = case.image.resolve()
        with suppress(InputError):
            digests[file] = digests.get(file) or _digest(case.image)
            contents.setdefault(digests[file], []).append(case)
        step(done)
    return [same for same in contents.values() if len(same) > 1]


def _may_be_same(cases: list[Case], sizes: list[int]) -> list[Case]:
    """Of cases on one grid those whose image another may repeat: registered scans share their grid by thousands.

    Files of one kind that hold the same have one size; of files of several kinds nothing can be told.
    """
    if len({case.image.suffix.lower() for case in cases}) > 1:
        return cases
    counts = Counter(sizes)
    return [case for case, size in zip(cases, sizes, strict=True) if counts[size] > 1]


def _digest(path: Path) -> bytes:
    """Of an image's voxels, whatever their type and their file's kind."""
    array = Volume.read(path).array
    return blake2b(np.ascontiguousarray(array, dtype=np.float32).data, digest_size=16).digest()
