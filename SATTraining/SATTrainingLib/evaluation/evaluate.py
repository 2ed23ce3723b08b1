"""Scores of a model's masks against references, a case and term at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from SATSegmentLib.errors import Cancelled
from SATSegmentLib.imaging import Mask, Volume
from SATSegmentLib.inference import Predictor
from SATSegmentLib.inference.feature_store import FeatureStore

from ..cases import Case, DatasetLabels, Label
from ..cases.masks import read_layers
from .metrics import scores

Progress = Callable[[float, int], None]
"""Called with the cases done, the share of the present one included, and the cases in all."""

# Encoding an image takes nearly all of a case's time.
_ENCODING = 0.8


@dataclass(frozen=True)
class Score:
    """How well one term was found in one case, on the case's own grid.

    Attributes:
        case: Its id.
        dataset: The case's.
        term: What was asked for.
        modality: The case's.
        dice, nsd: From 0 to 1; see `metrics.scores`.
        voxels_reference, voxels_prediction: Sizes of the two masks.
    """

    case: str
    dataset: str
    term: str
    modality: str
    dice: float
    nsd: float
    voxels_reference: int
    voxels_prediction: int


@dataclass(frozen=True, eq=False)
class Found:
    """A score with the masks it was computed from."""

    score: Score
    prediction: Mask
    reference: Mask


def annotated_terms(case: Case, datasets: dict[str, DatasetLabels]) -> dict[str, tuple[Label, ...]]:
    """The terms a case has a reference for, with the labels they are made of.

    What is only known to lie outside the field of view, and labels derived by rule, are no reference.
    """
    terms = datasets.get(case.dataset, DatasetLabels()).terms_of(case)
    return {term: labels for term, labels in terms.items() if labels}


def evaluate(
    predictor: Predictor,
    cases: Sequence[Case],
    datasets: dict[str, DatasetLabels],
    tolerance_mm: float = 1.0,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Score]:
    """Scores of every annotated term of every case, as they come; terms are asked for as they are called.

    Raises:
        InputError: A case's files cannot be read or do not fit together.
        Cancelled: `cancelled`, asked before each window and term, said so.
    """
    for number, case in enumerate(cases):

        def part_done(part: float, before: int = number) -> None:
            if progress:
                progress(before + part, len(cases))

        _, found = evaluate_case(predictor, case, datasets, tolerance_mm, progress=part_done, cancelled=cancelled)
        yield from (item.score for item in found)


def evaluate_case(
    predictor: Predictor,
    case: Case,
    datasets: dict[str, DatasetLabels],
    tolerance_mm: float = 1.0,
    *,
    asked: Callable[[str, str], str] = lambda term, modality: term,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[Volume, list[Found]]:
    """Segments a case and compares.

    Args:
        predictor: Of the model.
        case: What to read.
        datasets: What labels mean; those of data sets not named mean what they are called.
        tolerance_mm: Of the NSD.
        asked: The text to ask the model with, by term and modality.
        progress: Called with the share done.
        cancelled: Asked before each window and term.

    Returns:
        The image, and one result for each annotated term.

    Raises:
        InputError, Cancelled: As `evaluate`.
    """
    terms = annotated_terms(case, datasets)
    volume = Volume.read(case.image, case.modality)
    layers, _ = read_layers(case)

    def on_window(stage: str, done: int, total: int) -> None:
        if progress:
            share = done / total
            progress(_ENCODING * share if stage == "encode" else _ENCODING + (1 - _ENCODING) * share / 2)

    prompts = {term: asked(term, volume.modality) for term in terms}
    try:
        predictor.set_image(volume, progress=on_window, cancelled=cancelled)
        results = predictor.predict(list(dict.fromkeys(prompts.values())), progress=on_window, cancelled=cancelled)
    finally:  # no case comes twice, so its features only take memory and disk
        predictor.store.close()
        predictor.store = FeatureStore()
    regions = {result.prompt: result.region for result in results}
    found = []
    for number, (term, labels) in enumerate(terms.items(), start=1):
        if cancelled and cancelled():
            raise Cancelled
        prediction, reference = regions[prompts[term]], _reference(layers, labels)
        agreement = scores(*_cropped(prediction, reference), volume.spacing, tolerance_mm)
        sizes = reference.voxels, prediction.voxels
        score = Score(case.id, case.dataset, term, volume.modality, *agreement, *sizes)
        found.append(Found(score, prediction, reference))
        if progress:
            progress(1 - (1 - _ENCODING) / 2 * (1 - number / len(terms)))
    return volume, found


def means(scores: Iterable[Score]) -> dict[tuple[str, str], tuple[float, float, int]]:
    """(term, modality) to mean Dice, mean NSD and number of cases, by modality and term."""
    of_class = defaultdict(list)
    for score in scores:
        of_class[score.term, score.modality].append((score.dice, score.nsd))
    return {
        key: (*(float(mean) for mean in np.mean(values, 0)), len(values))
        for key, values in sorted(of_class.items(), key=lambda item: item[0][::-1])
    }


def _reference(layers: np.ndarray, labels: Iterable[Label]) -> Mask:
    """Where any of the labels is, in a mask of layers (I, J, K, L)."""
    mask = np.zeros(layers.shape[:3], bool)
    for label in labels:
        mask |= layers[..., label.layer] == label.value
    return Mask.of(mask)


def _cropped(prediction: Mask, reference: Mask) -> list[np.ndarray]:
    """Both masks in the smallest box that holds both."""
    masks = [mask for mask in (prediction, reference) if mask.voxels]
    start = np.min([mask.start for mask in masks], 0) if masks else np.zeros(3, int)
    stop = np.max([np.add(mask.start, mask.block.shape) for mask in masks], 0) if masks else start
    arrays = []
    for mask in (prediction, reference):
        array = np.zeros(stop - start, bool)
        if mask.voxels:
            first = np.subtract(mask.start, start)
            array[tuple(slice(a, a + n) for a, n in zip(first, mask.block.shape, strict=True))] = mask.block
        arrays.append(array)
    return arrays
