"""Which cases of a cohort deserve a look first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

_FEWEST = 5  # volumes of a term, to say what is usual
_TO_SIGMA = 1.4826  # from the median absolute deviation, for a normal distribution
_LEAST_SPREAD = 0.05  # of the median: copies of a scan differ by nothing
ODD = 3.0  # a score from which on a case deserves a look
_MOST = 10.0
_UNSURE = 0.7  # a confidence below it is told
_USUAL = 0.5  # share of the cohort


@dataclass(frozen=True)
class Oddness:
    """Of one case.

    Attributes:
        score: 0 for nothing odd; that of its oddest term, in robust standard deviations or what we take for as bad.
        reasons: Why, the worst first, in words.
    """

    score: float
    reasons: tuple[str, ...] = ()


def robust_z(volumes: Sequence[float]) -> list[float]:
    """How far each volume lies from the median, in standard deviations estimated from the median absolute deviation.

    Zeros where there are fewer than five.
    """
    values = np.asarray(volumes, float)
    if len(values) < _FEWEST:
        return [0.0] * len(values)
    median = np.median(values)
    spread = max(_TO_SIGMA * np.median(np.abs(values - median)), _LEAST_SPREAD * median)
    return [float(z) for z in (values - median) / spread]


def oddness_of(cohort: Mapping[str, Sequence[dict]]) -> dict[str, Oddness]:
    """Of each case how odd it is among all.

    A term is odd where its volume is far from the cohort's usual one, where it is empty although usually found,
    touches the border although it usually does not, or where the model is unsure of it.

    Args:
        cohort: Rows of `output.measure` by case.
    """
    found: dict[str, list[tuple[float, dict]]] = {case: [] for case in cohort}
    of_term: dict[str, list[tuple[str, dict]]] = {}
    for case, rows in cohort.items():
        for row in rows:
            of_term.setdefault(row["name"], []).append((case, row))
    for entries in of_term.values():
        for case, score, reason in _of_term(entries):
            found[case].append((score, reason))
    for reasons in found.values():
        reasons.sort(key=lambda reason: -reason[0])
    return {
        case: Oddness(round(reasons[0][0], 1) if reasons else 0.0, tuple(reason for _, reason in reasons))
        for case, reasons in found.items()
    }


def _of_term(entries: list[tuple[str, dict]]):
    """(case, score, reason) for what is odd about one term."""
    here = [(case, row) for case, row in entries if row["voxels"]]
    scores = dict(zip((case for case, _ in here), robust_z([row["volume_ml"] for _, row in here]), strict=True))
    usually_found = len(here) / len(entries)
    usually_at_border = sum(row["touches_border"] for _, row in here) / max(1, len(here))
    median = float(np.median([row["volume_ml"] for _, row in here])) if here else 0.0
    for case, row in entries:
        name = row["name"]
        if not row["voxels"]:
            if usually_found > _USUAL:
                yield case, _MOST * usually_found / 2, f"{name} not found"
            continue
        if abs(scores[case]) >= ODD:
            times = row["volume_ml"] / median
            yield case, min(abs(scores[case]), _MOST), f"{name} {times:.2g} times the usual volume"
        confidence = row["confidence"]
        if confidence is not None and confidence < _UNSURE:
            yield case, (_UNSURE - confidence) * 20, f"{name} unsure ({confidence:.2f})"
        if row["touches_border"] and usually_at_border < _USUAL:
            yield case, 1.0, f"{name} at the scan's border"
