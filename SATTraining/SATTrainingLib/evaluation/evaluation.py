"""A whole evaluation: one model or two, many cases, resumable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from SATSegmentLib.errors import Cancelled, InputError, SATError

from ..cases import Case, DatasetLabels
from ..cases.splits import patient_of
from .comparison import Comparison, compare
from .evaluate import Progress, Score, annotated_terms, evaluate_case
from .evaluated_model import EvaluatedModel
from .kept import KeptScores, key_of
from .overlays import Overlay
from .summary import Summary, summarise

_WORST = 8  # overlays a model
_KEPT = ".evaluation-{}"


@dataclass(frozen=True)
class Problem:
    """A case that could not be evaluated."""

    model: str
    case: str
    text: str


@dataclass(frozen=True, eq=False)
class ModelResult:
    """What one model reached.

    Attributes:
        name, sha256, steps: As of `EvaluatedModel`.
        scores: At least one.
        summary: Of them.
        worst: The worst case of each of the worst classes.
        untrained: (term, modality) it was asked for without having been trained on it.
        kept: What is on disk of it.
    """

    name: str
    sha256: str
    steps: int | None
    scores: list[Score]
    summary: Summary
    worst: list[tuple[Score, Overlay]]
    untrained: frozenset[tuple[str, str]]
    kept: KeptScores


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All that the report tells.

    Attributes:
        cases: That were to be evaluated; their numbers in the report are their places in this list, from 1.
        results: One a model.
        comparison: Of two models.
        problems: What could not be evaluated.
        tolerance_mm: Of the NSD.
        device: It ran on.
        made: When, in local time.
    """

    cases: list[Case]
    results: list[ModelResult]
    comparison: Comparison | None
    problems: list[Problem]
    tolerance_mm: float
    device: str
    made: datetime

    @cached_property
    def numbers(self) -> dict[str, int]:
        """What stands for each case's id in the report."""
        return {case.id: number for number, case in enumerate(self.cases, start=1)}

    def forget(self) -> None:
        """Removes what was kept to go on from, once the results are written."""
        for result in self.results:
            result.kept.remove()


def evaluate_models(
    models: Sequence[EvaluatedModel],
    cases: Sequence[Case],
    datasets: dict[str, DatasetLabels],
    folder: Path,
    *,
    tolerance_mm: float = 1.0,
    device: str = "auto",
    progress: Progress | None = None,
    failed: Callable[[Problem], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Evaluation:
    """Scores models on cases; what an earlier call that was stopped has done in `folder` is not done again.

    Args:
        models: One, or two to compare.
        cases: With references.
        datasets: What labels mean.
        folder: Where scores are kept until `forget` of the result is called; exists.
        tolerance_mm: Of the NSD.
        device: As of `Predictor`.
        progress: Called with the cases done and in all, over all models.
        failed: Called with each case that cannot be evaluated; the others go on.
        cancelled: Asked before each window and term.

    Raises:
        InputError: Nothing is annotated, a model is given twice, or there is no such device.
        ModelError: A term needs a text encoder that is not installed.
        SATError: The folder cannot be written, or no case could be evaluated.
        Cancelled: `cancelled` said so; what is done is kept.
    """
    cases = [case for case in cases if annotated_terms(case, datasets)]
    if not cases:
        raise InputError("No case has a label that means a term, so there is nothing to evaluate; see the case list.")
    if len({model.sha256 for model in models}) < len(models):
        raise InputError("Both models are the same; give another one to compare with.")
    names = _names(models)
    asked = {(term, case.modality) for case in cases for term in annotated_terms(case, datasets)}
    for model in models:
        model.check(asked)
    patients = {case.id: patient_of(case) for case in cases}
    problems: list[Problem] = []
    results = []
    for number, (model, name) in enumerate(zip(models, names, strict=True)):
        predictor = model.predictor(device)
        kept = KeptScores(folder / _KEPT.format(key_of(model.sha256, cases, datasets, tolerance_mm)))
        for place, case in enumerate(cases):
            before = number * len(cases) + place

            def part_done(part: float, before: int = before) -> None:
                if progress:
                    progress(before + part, len(cases) * len(models))

            if case.id not in kept:
                try:
                    volume, found = evaluate_case(
                        predictor,
                        case,
                        datasets,
                        tolerance_mm,
                        asked=model.prompt,
                        progress=part_done,
                        cancelled=cancelled,
                    )
                except Cancelled:
                    raise
                except SATError as error:
                    problems.append(Problem(name, case.id, str(error)))
                    if failed:
                        failed(problems[-1])
                    continue
                kept.add(case, volume, found)
            part_done(1)
        if not kept.scores:
            raise SATError(f"None of the {len(cases)} cases could be evaluated; {problems[-1].text}")
        untrained = frozenset(term for term in asked if not model.is_trained(*term))
        summary = summarise(kept.scores, patients)
        results.append(
            ModelResult(name, model.sha256, model.steps, kept.scores, summary, kept.worst(_WORST), untrained, kept)
        )
    comparison = compare(*(result.scores for result in results), patients) if len(results) == 2 else None
    made = datetime.now().astimezone()
    return Evaluation(cases, results, comparison, problems, tolerance_mm, str(predictor.device), made)


def _names(models: Sequence[EvaluatedModel]) -> list[str]:
    """Of the models; where both are called the same, with the start of their hash."""
    names = [model.name for model in models]
    return names if len(set(names)) == len(names) else [f"{model.name} ({model.sha256[:8]})" for model in models]
