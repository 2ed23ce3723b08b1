"""How well a trained network finds its terms on cases it has not seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from SATSegmentLib.imaging import Volume
from SATSegmentLib.inference import Predictor

from .cases import Case, DatasetRecipe


def dice(prediction: np.ndarray, reference: np.ndarray) -> float:
    """Dice similarity of two boolean arrays; 1 where both are empty."""
    size = int(prediction.sum()) + int(reference.sum())
    return 2 * int((prediction & reference).sum()) / size if size else 1.0


@dataclass(frozen=True)
class Score:
    """Dice of one term on one case, on the case's own grid."""

    case: str
    term: str
    modality: str
    dice: float


def evaluate(predictor: Predictor, cases: Iterable[Case], recipes: dict[str, DatasetRecipe]) -> list[Score]:
    """Dice of every annotated term of every case.

    Derived and absent terms are left out: they are no reference.
    """
    scores = []
    for case in cases:
        volume = Volume.read(case.image, case.modality)
        labels = Volume.read(case.mask, case.modality).array
        annotated = recipes.get(case.dataset, DatasetRecipe()).terms_of(case)
        annotated = {term: values for term, values in annotated.items() if values}
        predictor.set_image(volume)
        for result in predictor.predict(list(annotated)):
            reference = np.isin(labels, annotated[result.prompt])
            scores.append(Score(case.id, result.prompt, case.modality, dice(result.mask, reference)))
    return scores


def mean_of_terms(scores: Iterable[Score]) -> dict[tuple[str, str], tuple[float, int]]:
    """(term, modality) to mean Dice and number of cases."""
    values = defaultdict(list)
    for score in scores:
        values[score.term, score.modality].append(score.dice)
    return {key: (float(np.mean(items)), len(items)) for key, items in sorted(values.items())}
