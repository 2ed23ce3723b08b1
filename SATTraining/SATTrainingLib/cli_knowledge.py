"""`sattraining knowledge train | evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from .cli_runs import add_config_and_run, run_of, work_on


def add_knowledge(commands) -> None:
    """`knowledge`: teach a text encoder the names of anatomy, and see what it has learnt."""
    parser = commands.add_parser("knowledge", help="teach a text encoder the names of anatomy")
    parts = parser.add_subparsers(dest="part", required=True, metavar="train | evaluate")
    train = parts.add_parser("train", help="make a run from a configuration, or go on with one begun so")
    add_config_and_run(train, "what to teach, and how")
    train.set_defaults(run=_train)
    evaluate = parts.add_parser("evaluate", help="retrieval before and after, on structures held back and taught")
    evaluate.add_argument("--run", dest="folder", type=Path, required=True, help="folder of the run")
    evaluate.set_defaults(run=_evaluate)


def _train(options: argparse.Namespace) -> int:
    from . import runs
    from .knowledge.config import KnowledgeConfig
    from .knowledge.start import ENCODER, create_run, train

    folder = run_of(options)
    done, paused = f"Done: the text encoder is in {folder / ENCODER}.", "Paused; the same command goes on."
    told = {runs.DONE: done, runs.PAUSED: paused}
    return work_on(folder, train, told, lambda: create_run(KnowledgeConfig.read(options.config), folder))


def _evaluate(options: argparse.Namespace) -> None:
    from .knowledge.evaluation import MAP, RETRIEVAL, evaluate_run, table

    print(table(evaluate_run(options.folder)))
    print(f"Written: {options.folder / RETRIEVAL} and {options.folder / MAP}.")
