"""Means with 95 % intervals by bootstrap over patients."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

RESAMPLES = 2000
LEVEL = 95.0  # per cent
_SEED = 1


@dataclass(frozen=True)
class Estimate:
    """A mean and the percentile interval it lies in; no interval for a single patient."""

    mean: float
    low: float | None = None
    high: float | None = None


def estimate(values: Sequence[float], classes: Sequence[Hashable], patients: Sequence[str]) -> Estimate:
    """The mean over classes of each class's mean over cases.

    Patients are drawn with replacement, each with all of its values, so that values of one patient are not taken for
    independent ones. A class that no drawn patient has does not count in that draw. The draws are seeded.

    Args:
        values: At least one; one a case and class.
        classes, patients: Of each value.
    """
    _, class_of = np.unique([str(name) for name in classes], return_inverse=True)
    names, patient_of = np.unique(list(patients), return_inverse=True)
    shape = len(names), int(class_of.max()) + 1
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (patient_of, class_of), values)
    np.add.at(counts, (patient_of, class_of), 1)
    mean = float((sums.sum(0) / counts.sum(0)).mean())
    if len(names) < 2:
        return Estimate(mean)
    drawn = _drawn(len(names))
    with np.errstate(invalid="ignore"):
        means = np.nanmean(drawn @ sums / (drawn @ counts), axis=1)
    low, high = np.percentile(means, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return Estimate(mean, float(low), float(high))


@lru_cache(maxsize=1)  # the classes of one evaluation mostly have the same patients
def _drawn(patients: int) -> np.ndarray:
    """How often each patient is drawn, (RESAMPLES, patients)."""
    random = np.random.default_rng(_SEED)
    return random.multinomial(patients, np.full(patients, 1 / patients), RESAMPLES).astype(float)
