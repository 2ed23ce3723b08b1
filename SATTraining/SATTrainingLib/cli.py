"""The command line of training: `python -m SATTrainingLib train | evaluate | export`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from SATSegmentLib.errors import Cancelled, InputError, SATError


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns 0 done, 2 bad input, 3 failed, 130 stopped by Ctrl-C."""
    parser = argparse.ArgumentParser(prog="sattraining", description="Train SAT networks on labelled cases.")
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train, or resume where a checkpoint stands")
    train.set_defaults(run=_train)
    train.add_argument("--recipe", type=Path, required=True, help="JSON file: what to train, and how")
    train.add_argument("--workers", type=int, default=1, help="processes that draw windows (default 1)")
    evaluate = commands.add_parser("evaluate", help="Dice of a run on the cases its recipe holds back")
    evaluate.set_defaults(run=_evaluate)
    export = commands.add_parser("export", help="write a run as a model that satsegment runs")
    export.set_defaults(run=_export)
    export.add_argument("--name", required=True, help="of the model")
    export.add_argument("--note", default="", help="a sentence shown wherever the model is offered")
    export.add_argument("--output", type=Path, required=True, help="the model's folder, which does not exist yet")
    for command in (train, evaluate, export):
        command.add_argument("--run", dest="folder", type=Path, required=True, help="folder of checkpoints and events")
        command.add_argument("--cases", type=Path, required=True, help="JSONL file, one labelled case a line")
    options = parser.parse_args(arguments)
    try:
        options.run(options)
        return 0
    except InputError as error:
        print(f"sattraining: {error}", file=sys.stderr)
        return 2
    except (Cancelled, KeyboardInterrupt):
        print("sattraining: stopped; the same command resumes at the last checkpoint.", file=sys.stderr)
        return 130
    except SATError as error:
        print(f"sattraining: {error}", file=sys.stderr)
        return 3


def _train(options: argparse.Namespace) -> None:
    from SATSegmentLib.models.loading import minilm_folder
    from SATSegmentLib.network import SATConfig
    from SATSegmentLib.network.text_encoder import TextEncoder

    from .recipe import Recipe
    from .trainer import Trainer

    recipe = Recipe.read(options.recipe)
    text = TextEncoder.from_folder(minilm_folder(), SATConfig.named(recipe.model).text_width)
    Trainer(recipe, _prepared(options, recipe), text, options.folder, options.workers).run()


def _evaluate(options: argparse.Namespace) -> None:
    from SATSegmentLib.inference import Predictor
    from SATSegmentLib.models.loading import minilm_folder

    from .cases import read_cases, split
    from .evaluation import evaluate, mean_of_terms
    from .export import EVALUATION, load_run, write_scores

    run = load_run(options.folder, minilm_folder())
    _, held_back = split(read_cases(options.cases), run.recipe.held_back)
    scores = evaluate(Predictor(run.network, run.text), held_back, run.recipe.datasets)
    write_scores(run.folder / EVALUATION, scores)
    print(f"{len(held_back)} cases held back, after {run.steps} steps")
    for (term, modality), (mean, count) in mean_of_terms(scores).items():
        print(f"{modality:4} {term:30} Dice {mean:.3f}  ({count})")


def _export(options: argparse.Namespace) -> None:
    from SATSegmentLib.models.loading import minilm_folder

    from .export import check_target, export, load_run

    check_target(options.name, options.output)
    run = load_run(options.folder, minilm_folder())
    export(options.name, options.note, run, _prepared(options, run.recipe), options.output)
    print(f"wrote {options.output}")


def _prepared(options: argparse.Namespace, recipe) -> list:
    """The training cases of a recipe, on its network's grid."""
    from SATSegmentLib.network import SATConfig

    from .cases import DatasetRecipe, read_cases, split
    from .data import prepare_case

    cases, _ = split(read_cases(options.cases), recipe.held_back)
    config = SATConfig.named(recipe.model)
    return [prepare_case(case, recipe.datasets.get(case.dataset, DatasetRecipe()), config) for case in cases]
