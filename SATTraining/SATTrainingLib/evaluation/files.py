"""An evaluation as files: tables for programs and spreadsheets, and the report."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from SATSegmentLib.output import written

from .evaluation import Evaluation
from .intervals import LEVEL, RESAMPLES
from .report import report
from .summary import region_of

SCORES, SUMMARY, REPORT = "scores.csv", "summary.json", "report.html"
COMPARISON, PROBLEMS = "comparison.csv", "problems.csv"
FILES = (SCORES, SUMMARY, REPORT, COMPARISON, PROBLEMS)
_FORMAT = 1


def write_evaluation(folder: Path, evaluation: Evaluation) -> list[Path]:
    """Writes an evaluation's files; one of an earlier evaluation that this one has nothing for is removed.

    Returns:
        The files: `scores.csv` (a row a model, case and term), `summary.json`, `report.html`; `comparison.csv` (a row a
        class and metric) of two models; `problems.csv` where cases could not be evaluated.

    Raises:
        SATError: One cannot be written.
    """
    _write_table(folder / SCORES, list(_scores(evaluation)))
    with written(folder / SUMMARY) as temporary:
        temporary.write_text(json.dumps(_summary(evaluation), indent=2) + "\n", encoding="utf-8")
    with written(folder / REPORT) as temporary:
        temporary.write_text(report(evaluation), encoding="utf-8")
    if evaluation.comparison:
        _write_table(folder / COMPARISON, [_flat(row) for row in evaluation.comparison.classes])
    if evaluation.problems:
        rows = ({"number": evaluation.numbers[problem.case], **asdict(problem)} for problem in evaluation.problems)
        _write_table(folder / PROBLEMS, list(rows))
    for name, has_any in ((COMPARISON, evaluation.comparison), (PROBLEMS, evaluation.problems)):
        if not has_any:
            (folder / name).unlink(missing_ok=True)
    return [folder / name for name in FILES if (folder / name).is_file()]


def _scores(evaluation: Evaluation) -> Iterable[dict]:
    for result in evaluation.results:
        for score in result.scores:
            yield {
                "model": result.name,
                "number": evaluation.numbers[score.case],
                "case": score.case,
                "dataset": score.dataset,
                "modality": score.modality,
                "region": region_of(score.term),
                "term": score.term,
                "trained": (score.term, score.modality) not in result.untrained,
                "dice": score.dice,
                "nsd": score.nsd,
                "voxels_reference": score.voxels_reference,
                "voxels_prediction": score.voxels_prediction,
            }


def _flat(row) -> dict:
    """A difference with its interval in columns of its own."""
    values = asdict(row)
    difference = values.pop("difference")
    return values | {"difference": difference["mean"], "low": difference["low"], "high": difference["high"]}


def _summary(evaluation: Evaluation) -> dict:
    comparison = evaluation.comparison
    return {
        "format": _FORMAT,
        "made": evaluation.made.isoformat(timespec="seconds"),
        "tolerance_mm": evaluation.tolerance_mm,
        "interval": {"level": LEVEL, "resamples": RESAMPLES, "over": "patients"},
        "cases": len(evaluation.cases),
        "problems": [
            {"model": problem.model, "number": evaluation.numbers[problem.case]} for problem in evaluation.problems
        ],
        "models": [
            {
                "name": result.name,
                "sha256": result.sha256,
                "steps": result.steps,
                "untrained": sorted(result.untrained),
                **asdict(result.summary),
            }
            for result in evaluation.results
        ],
        "comparison": asdict(comparison) if comparison else None,
    }


def _write_table(path: Path, rows: list[dict]) -> None:
    with written(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
