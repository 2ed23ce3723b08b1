"""Two models on the same cases, case by case."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from .evaluate import Score
from .intervals import Estimate, estimate
from .summary import region_of

METRICS = ("dice", "nsd")


@dataclass(frozen=True)
class Difference:
    """How the first model does against the second in one class, or over all.

    Attributes:
        name, modality, region: As of `summary.Group`.
        metric: One of `METRICS`.
        first, second: Mean of each model.
        difference: First minus second, paired; positive where the first is better.
        wins, losses, ties: Cases where the first is better, worse, the same.
        p: Of Wilcoxon's signed-rank test on the patients' mean differences; None where all are zero.
        p_adjusted: Corrected for the number of classes (Benjamini-Hochberg); None over all.
    """

    name: str
    modality: str
    region: str
    metric: str
    first: float
    second: float
    difference: Estimate
    wins: int
    losses: int
    ties: int
    p: float | None
    p_adjusted: float | None = None


@dataclass(frozen=True)
class Comparison:
    """`overall` has a row a metric, `classes` a row a class and metric; only what both models were scored on."""

    overall: list[Difference]
    classes: list[Difference]


def compare(first: Iterable[Score], second: Iterable[Score], patients: Mapping[str, str]) -> Comparison | None:
    """The differences between two models; None where they share no case and term.

    Args:
        first, second: Scores of the models.
        patients: Case id to patient.
    """
    others = {(score.case, score.term): score for score in second}
    pairs = [(score, others[score.case, score.term]) for score in first if (score.case, score.term) in others]
    if not pairs:
        return None
    parts = defaultdict(list)
    for pair in pairs:
        parts[pair[0].modality, region_of(pair[0].term), pair[0].term].append(pair)
    classes = []
    for metric in METRICS:
        rows = [
            _difference(term, modality, region, metric, part, patients)
            for (modality, region, term), part in sorted(parts.items())
        ]
        classes += _adjusted(rows)
    overall = [_difference("All classes", "", "", metric, pairs, patients) for metric in METRICS]
    return Comparison(overall, classes)


def _difference(
    name: str, modality: str, region: str, metric: str, pairs: list[tuple[Score, Score]], patients: Mapping[str, str]
) -> Difference:
    classes = [(score.term, score.modality) for score, _ in pairs]
    owners = [patients[score.case] for score, _ in pairs]
    values = np.array([[getattr(score, metric) for score in pair] for pair in pairs])
    differences = values[:, 0] - values[:, 1]
    first, second = (estimate(column, classes, owners).mean for column in values.T)
    return Difference(
        name,
        modality,
        region,
        metric,
        first=first,
        second=second,
        difference=estimate(differences, classes, owners),
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
        ties=int((differences == 0).sum()),
        p=_wilcoxon(differences, owners),
    )


def _wilcoxon(differences: np.ndarray, owners: list[str]) -> float | None:
    from scipy.stats import wilcoxon

    of_patient = defaultdict(list)
    for owner, difference in zip(owners, differences, strict=True):
        of_patient[owner].append(difference)
    means = np.array([np.mean(values) for values in of_patient.values()])
    return float(wilcoxon(means).pvalue) if means.any() else None


def _adjusted(rows: list[Difference]) -> list[Difference]:
    from scipy.stats import false_discovery_control

    tested = [row.p for row in rows if row.p is not None]
    adjusted = iter(false_discovery_control(tested) if tested else ())
    return [row if row.p is None else replace(row, p_adjusted=float(next(adjusted))) for row in rows]
