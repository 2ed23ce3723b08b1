"""`sattraining prepare | train | resume`."""

from __future__ import annotations

import argparse
import os
import time
from contextlib import nullcontext
from pathlib import Path

_PATIENCE = 600  # seconds; a network's disk may be slow to show a new file to other computers


def add_prepare(commands) -> None:
    """`prepare`: bring the training cases to the network's grid, ahead of the training."""
    command = commands.add_parser("prepare", help="bring the training cases to the network's grid, for later")
    command.add_argument("--config", type=Path, required=True, help="YAML or JSON: what to train on what, and how")
    command.set_defaults(run=_prepare)


def add_train(commands) -> None:
    """`train`: make a run from a configuration, and train it."""
    command = commands.add_parser("train", help="make a run from a configuration and train it; resumes a run begun so")
    command.add_argument("--config", type=Path, required=True, help="YAML or JSON: what to train on what, and how")
    command.add_argument(
        "--run", dest="folder", type=Path, help="folder of the run (default: beside the configuration, of its name)"
    )
    command.set_defaults(run=_train)


def add_resume(commands) -> None:
    """`resume`: go on with a run."""
    command = commands.add_parser("resume", help="go on with a run where its last checkpoint stands")
    command.add_argument("--run", dest="folder", type=Path, required=True, help="folder of the run")
    command.set_defaults(run=_resume)


def _prepare(options: argparse.Namespace) -> None:
    from .caches import cases_cache
    from .training.config import TrainingConfig
    from .training.start import prepare

    config = TrainingConfig.read(options.config)
    prepared = prepare(config, lambda done, total: print(f"prepared {done} of {total} cases", flush=True))
    voxels = {term for case in prepared for term in case.terms}
    print(f"{len(prepared)} cases with {len(voxels)} terms are prepared in {cases_cache()}.")


def _train(options: argparse.Namespace) -> int:
    from . import runs
    from .training.config import TrainingConfig
    from .training.start import create_run

    folder = options.folder or options.config.with_suffix("")
    if os.environ.get("RANK", "0") == "0":  # of the processes of torchrun one makes the run
        create_run(TrainingConfig.read(options.config), folder)
    end = time.monotonic() + _PATIENCE
    while not (folder / runs.CONFIG).is_file() and time.monotonic() < end:  # which the others wait for
        time.sleep(0.1)
    return _go(folder)


def _resume(options: argparse.Namespace) -> int:
    return _go(options.folder)


def _go(folder: Path) -> int:
    from . import runs
    from .launch.taken import taken_on
    from .training.distributed import OtherFailed
    from .training.start import train

    first = os.environ.get("RANK", "0") == "0"
    try:
        with taken_on(folder) if first else nullcontext():
            state = train(folder)
    except OtherFailed:  # which has said why
        return 3
    if first:
        done = (
            f"The run in {folder} is done." if state == runs.DONE else f"Paused; `sattraining resume --run {folder}`."
        )
        print(done, flush=True)
    return 0
