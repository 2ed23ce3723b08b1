"""Scores of an evaluation that is under way: kept a case at a time, so that a stopped one goes on where it was."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path

from SATSegmentLib.errors import SATError
from SATSegmentLib.imaging import Volume

from ..cases import Case, DatasetLabels
from .evaluate import Found, Score, annotated_terms
from .overlays import Overlay

_FORMAT = 1
_SCORES = "scores.jsonl"


def key_of(model: str, cases: Iterable[Case], datasets: dict[str, DatasetLabels], tolerance_mm: float) -> str:
    """What tells one evaluation from another: the model's hash, the files and labels of its cases, the tolerance."""
    parts = [_FORMAT, model, tolerance_mm]
    for case in cases:
        files = [
            (str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in (case.image, case.mask)
        ]
        terms = {
            term: [(label.value, label.layer) for label in labels]
            for term, labels in annotated_terms(case, datasets).items()
        }
        parts.append([case.id, case.dataset, case.modality, files, terms])
    return blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()


class KeptScores:
    """The scores of one model in a folder, and for each class the overlay of its worst case.

    Args:
        folder: Made where it is not there; what it holds is of the same evaluation.

    Raises:
        SATError: The folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / _SCORES
        self._of_case: dict[str, list[Score]] = {}
        self._worst: dict[tuple[str, str], Score] = {}
        try:
            folder.mkdir(exist_ok=True)
            self._read()
        except OSError as error:
            raise self._failed(error) from error

    def __contains__(self, case: str) -> bool:
        return case in self._of_case

    @property
    def scores(self) -> list[Score]:
        """All, in the order of their cases."""
        return [score for scores in self._of_case.values() for score in scores]

    def add(self, case: Case, volume: Volume, found: list[Found]) -> None:
        """Keeps a case; it counts as done only once all of it is on disk.

        Raises:
            SATError: The folder cannot be written.
        """
        for item in found:
            if self._is_worst(item.score):
                overlay = Overlay.of(volume, item.prediction, item.reference)
                overlay.write(self._overlay(item.score))
        row = {"case": case.id, "scores": [asdict(item.score) for item in found]}
        try:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._failed(error) from error
        self._take(case.id, [item.score for item in found])

    def worst(self, count: int) -> list[tuple[Score, Overlay]]:
        """The worst case of each class, the worst classes first."""
        ranked = sorted(self._worst.values(), key=_badness)[:count]
        return [(score, Overlay.read(self._overlay(score))) for score in ranked]

    def remove(self) -> None:
        """Once everything is in the report."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self) -> None:
        if not self._file.is_file():
            return
        content = self._file.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):  # the process ended in the middle of a line
            os.truncate(self._file, len(whole))
        for line in whole.splitlines():
            with suppress(ValueError, KeyError, TypeError):  # damaged, so the case is done again
                row = json.loads(line)
                self._take(row["case"], [Score(**score) for score in row["scores"]])

    def _take(self, case: str, scores: list[Score]) -> None:
        self._of_case[case] = scores
        for score in scores:
            if self._is_worst(score):
                self._worst[score.term, score.modality] = score

    def _is_worst(self, score: Score) -> bool:
        before = self._worst.get((score.term, score.modality))
        return score.dice < 1 and (before is None or _badness(score) < _badness(before))

    def _overlay(self, score: Score) -> Path:
        name = blake2b(f"{score.modality} {score.term}".encode(), digest_size=8).hexdigest()
        return self._folder / f"{name}.npz"

    def _failed(self, error: OSError) -> SATError:
        if error.errno == errno.ENOSPC:
            return SATError(
                f"There is no space left in {self._folder.parent}; free some, and run the same command again."
            )
        return SATError(f"{self._folder} cannot be written ({error.strerror or error}); choose another --output.")


def _badness(score: Score) -> tuple:
    """Less is worse; a structure that was missed before one that was invented, the larger one first."""
    return score.dice, score.nsd, -score.voxels_reference, score.case
