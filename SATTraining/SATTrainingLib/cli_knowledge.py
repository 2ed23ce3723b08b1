"""`sattraining knowledge train | evaluate`."""

from __future__ import annotations

import argparse
import os
import time
from contextlib import nullcontext
from pathlib import Path

_PATIENCE = 600  # seconds; a network's disk may be slow to show a new file to other computers


def add_knowledge(commands) -> None:
    """`knowledge`: teach a text encoder the names of anatomy, and see what it has learnt."""
    parser = commands.add_parser("knowledge", help="teach a text encoder the names of anatomy")
    parts = parser.add_subparsers(dest="part", required=True, metavar="train | evaluate")
    train = parts.add_parser("train", help="make a run from a configuration, or go on with one begun so")
    train.add_argument("--config", type=Path, required=True, help="YAML or JSON: what to teach, and how")
    train.add_argument(
        "--run", dest="folder", type=Path, help="folder of the run (default: beside the configuration, of its name)"
    )
    train.set_defaults(run=_train)
    evaluate = parts.add_parser("evaluate", help="retrieval before and after, on structures held back and taught")
    evaluate.add_argument("--run", dest="folder", type=Path, required=True, help="folder of the run")
    evaluate.set_defaults(run=_evaluate)


def _train(options: argparse.Namespace) -> int:
    from . import runs
    from .knowledge.config import KnowledgeConfig
    from .knowledge.start import ENCODER, create_run, train
    from .launch.taken import taken_on
    from .training.distributed import OtherFailed

    folder = options.folder or options.config.with_suffix("")
    first = os.environ.get("RANK", "0") == "0"  # of the processes of torchrun one makes the run
    if first:
        create_run(KnowledgeConfig.read(options.config), folder)
    end = time.monotonic() + _PATIENCE
    while not (folder / runs.CONFIG).is_file() and time.monotonic() < end:  # which the others wait for
        time.sleep(0.1)
    try:
        with taken_on(folder) if first else nullcontext():
            state = train(folder)
    except OtherFailed:  # which has said why
        return 3
    if first and state == runs.DONE:
        print(f"Done: the text encoder is in {folder / ENCODER}.", flush=True)
    elif first:
        print("Paused; the same command goes on.", flush=True)
    return 0


def _evaluate(options: argparse.Namespace) -> None:
    from .knowledge.evaluation import MAP, RETRIEVAL, evaluate_run, table

    print(table(evaluate_run(options.folder)))
    print(f"Written: {options.folder / RETRIEVAL} and {options.folder / MAP}.")
