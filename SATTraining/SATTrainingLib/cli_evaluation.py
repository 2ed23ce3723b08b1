"""The command line: `sattraining evaluate`."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from SATSegmentLib.errors import InputError, SATError


def add_evaluate(commands) -> None:
    """Adds `evaluate` to the commands of `sattraining`."""
    evaluate = commands.add_parser(
        "evaluate",
        help="score a model on cases with a reference",
        description="Scores a model (DSC, NSD) on cases with a reference and writes tables and a report. When it was "
        "stopped, the same command goes on where it was.",
    )
    evaluate.set_defaults(run=_evaluate)
    evaluate.add_argument("--model", required=True, help="name or folder")
    evaluate.add_argument("--cases", type=Path, required=True, help="case list, dataset.json, or the folder of one")
    evaluate.add_argument("--compare", metavar="MODEL", help="a second model, compared case by case")
    meaning = evaluate.add_mutually_exclusive_group()
    meaning.add_argument(
        "--config",
        type=Path,
        help="of the model's training: what labels mean; the patients it was trained on are left out",
    )
    meaning.add_argument(
        "--datasets", type=Path, metavar="FILE", help="what labels mean: YAML or JSON as under datasets in --config"
    )
    evaluate.add_argument("--tolerance", type=float, default=1.0, metavar="MM", help="of the NSD (default: 1)")
    evaluate.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    evaluate.add_argument("--output", type=Path, required=True, help="folder for the results")
    evaluate.add_argument("--overwrite", action="store_true", help="replace results that are in the folder")


def _evaluate(options: argparse.Namespace) -> None:
    if not (math.isfinite(options.tolerance) and options.tolerance >= 0):
        raise InputError(f"--tolerance must be 0 or more millimetres, not {options.tolerance}.")
    _check_folder(options.output, options.overwrite)
    cases, datasets = _cases(options)

    from tqdm import tqdm

    from .evaluation.evaluated_model import EvaluatedModel
    from .evaluation.evaluation import Problem, evaluate_models
    from .evaluation.files import REPORT, write_evaluation

    models = [EvaluatedModel(name) for name in (options.model, options.compare) if name]
    options.output.mkdir(exist_ok=True)
    bar = tqdm(
        disable=not sys.stderr.isatty(), bar_format="{percentage:3.0f} %|{bar}| {n:.1f}/{total} cases, {remaining} left"
    )

    def show(done: float, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    def say(problem: Problem) -> None:
        tqdm.write(f"sattraining: {problem.case} is left out. {problem.text}", file=sys.stderr)

    with bar:
        evaluation = evaluate_models(
            models,
            cases,
            datasets,
            options.output,
            tolerance_mm=options.tolerance,
            device=options.device,
            progress=show,
            failed=say,
        )
    write_evaluation(options.output, evaluation)
    _print(evaluation)
    print(f"wrote {options.output / REPORT}")
    if evaluation.problems:
        lost = len({problem.case for problem in evaluation.problems})
        raise SATError(
            f"{lost} of {len(evaluation.cases)} cases could not be evaluated, as said above; the results are those of "
            "the others. Put them right and run the same command with --overwrite: only they are done again."
        )
    evaluation.forget()


def _check_folder(folder: Path, overwrite: bool) -> None:
    from SATSegmentLib.output import check_targets

    from .evaluation.files import FILES

    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; give the name of a folder.")
    check_targets([folder / name for name in FILES] if folder.is_dir() else [folder], overwrite)


def _cases(options: argparse.Namespace) -> tuple[list, dict]:
    """The cases, and what their labels mean."""
    from .cases.formats import load_cases
    from .settings import read_settings
    from .training.config import TrainingConfig

    cases, datasets = load_cases(options.cases)
    if options.config:
        config = TrainingConfig.read(options.config)
        return _unseen(cases, config, options.config.parent), config.datasets
    if options.datasets:
        values = {"cases": str(options.cases), "datasets": read_settings(options.datasets)}
        return cases, TrainingConfig.from_dict(values, options.datasets, options.datasets.parent).datasets
    return cases, datasets


def _unseen(cases: list, config, folder: Path) -> list:
    """The cases of patients that a configuration in `folder` does not train on."""
    from . import runs
    from .cases import read_cases
    from .cases.splits import fold_of

    validation = fold_of(config.splits, config.fold) if config.splits else config.validation
    held_back = {*validation, *config.test}
    # a run may have been moved since it was made, which its list tells by its old path
    moved = not config.cases.exists() and config.cases.name == runs.CASES and (folder / runs.CASES).is_file()
    listed = read_cases(folder / runs.CASES if moved else config.cases, with_files=False)
    training = [case for case in listed if case.id not in held_back]
    # data sets number their cases alike, so that an id alone tells nothing
    seen = {(case.dataset, case.id) for case in training} | {case.image.resolve() for case in training}
    patients = {case.patient for case in training if case.patient}
    unseen = [
        case
        for case in cases
        if not seen & {(case.dataset, case.id), case.image.resolve()} and case.patient not in patients
    ]
    if not unseen:
        raise InputError("The model was trained on all of these cases; give cases it has not seen.")
    if len(unseen) < len(cases):
        print(f"sattraining: {len(cases) - len(unseen)} cases the model was trained on are left out.", file=sys.stderr)
    return unseen


def _print(evaluation) -> None:
    for result in evaluation.results:
        print(f"{result.name}, {result.summary.overall.cases} cases")
        for group in (*result.summary.classes, result.summary.overall):
            means = f"Dice {group.dice.mean:.3f}  NSD {group.nsd.mean:.3f}"
            print(f"  {group.modality:4} {group.name:32} {means}  ({group.cases})")
    for row in evaluation.comparison.overall if evaluation.comparison else ():
        low, high = row.difference.low, row.difference.high
        interval = "" if low is None else f" ({low:+.3f} to {high:+.3f})"
        print(f"difference in {row.metric}: {row.difference.mean:+.3f}{interval}")
