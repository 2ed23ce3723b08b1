"""`sattraining prepare | train | resume`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from .cli_runs import add_config_and_run, run_of, work_on

_WHAT = "what to train on what, and how"


def add_prepare(commands) -> None:
    """`prepare`: bring the training cases to the network's grid, ahead of the training."""
    command = commands.add_parser("prepare", help="bring the training cases to the network's grid, for later")
    command.add_argument("--config", type=Path, required=True, help=f"YAML or JSON: {_WHAT}")
    command.set_defaults(run=_prepare)


def add_train(commands) -> None:
    """`train`: make a run from a configuration, and train it."""
    command = commands.add_parser("train", help="make a run from a configuration and train it; resumes a run begun so")
    add_config_and_run(command, _WHAT)
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
    from .training.config import TrainingConfig
    from .training.start import create_run

    folder = run_of(options)
    return _go(folder, lambda: create_run(TrainingConfig.read(options.config), folder))


def _resume(options: argparse.Namespace) -> int:
    return _go(options.folder)


def _go(folder: Path, make: Callable[[], None] | None = None) -> int:
    from . import runs
    from .training.start import train

    done, paused = f"The run in {folder} is done.", f"Paused; `sattraining resume --run {folder}`."
    return work_on(folder, train, {runs.DONE: done, runs.PAUSED: paused}, make)
