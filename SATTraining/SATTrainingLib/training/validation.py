"""How good a run's network is now, by the engine that will use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from SATSegmentLib.errors import Cancelled
from SATSegmentLib.inference import Predictor
from SATSegmentLib.inference.predictor import PromptEncoder
from SATSegmentLib.network import SAT

from .. import runs
from ..cases import Case, DatasetLabels
from ..evaluation.evaluate import Score, evaluate, means
from .distributed import Ranks


def validate(
    network: SAT,
    prompts: PromptEncoder,
    cases: list[Case],
    datasets: dict[str, DatasetLabels],
    ranks: Ranks,
    cancelled: Callable[[], bool],
    going_on: Callable[[], None],
) -> list[Score] | None:
    """Scores of all cases, which the processes share among them.

    Args:
        network, prompts: What to validate.
        cases, datasets: References.
        ranks: The processes.
        cancelled: Asked before each window and term.
        going_on: Called now and then.

    Returns:
        The same in every process, in the order of the cases; None where any of them was asked to stop.

    Raises:
        SATError: A case cannot be read, here or in another process.
    """
    mine: list[Score] | None = []
    with ranks.together():
        share = cases[ranks.rank :: ranks.world]
        predictor = Predictor(network, prompts, str(ranks.device))
        try:
            mine += evaluate(predictor, share, datasets, progress=lambda *_: going_on(), cancelled=cancelled)
        except Cancelled:
            mine = None
    shares = ranks.gather(mine)
    if any(share is None for share in shares):
        return None
    order = {case.id: number for number, case in enumerate(cases)}
    return sorted((score for share in shares for score in share), key=lambda score: order[score.case])


def summary(scores: list[Score]) -> dict:
    """The values of a validation's event: `dice` and `nsd`, means over the terms, and `terms`."""
    terms = {
        f"{modality}/{term}": {"dice": dice, "nsd": nsd, "cases": count}
        for (term, modality), (dice, nsd, count) in means(scores).items()
    }
    overall = {name: float(np.mean([term[name] for term in terms.values()])) for name in ("dice", "nsd")}
    return {**overall, "terms": terms}


def write_scores(folder: Path, step: int, scores: list[Score]) -> None:
    """Writes `validation.json`: the step, and a row a case and term."""
    temporary = folder / f".{runs.VALIDATION}.part"
    rows = [{"step": step, **asdict(score)} for score in scores]
    temporary.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    temporary.replace(folder / runs.VALIDATION)
