"""What the commands that make a run and train it have in common; torchrun may have started them several times."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

_PATIENCE = 600  # seconds; a network's disk may be slow to show a new file to other computers


def add_config_and_run(command: argparse.ArgumentParser, what: str) -> None:
    """Adds `--config`, whose help ends with `what`, and `--run`."""
    command.add_argument("--config", type=Path, required=True, help=f"YAML or JSON: {what}")
    command.add_argument(
        "--run", dest="folder", type=Path, help="folder of the run (default: beside the configuration, of its name)"
    )


def run_of(options: argparse.Namespace) -> Path:
    """The run's folder that was asked for."""
    return options.folder or options.config.with_suffix("")


def work_on(
    folder: Path, train: Callable[[Path], str], told: dict[str, str], make: Callable[[], None] | None = None
) -> int:
    """Trains the run in `folder`.

    Args:
        folder: Of the run.
        train: Does it, in each of torchrun's processes; returns the run's state.
        told: State to what is printed then.
        make: Makes the run where it is not there yet; called in the first of torchrun's processes, on which the
            others wait.

    Returns:
        The command's exit code.
    """
    from . import runs
    from .launch.taken import taken_on
    from .training.distributed import OtherFailed

    first = os.environ.get("RANK", "0") == "0"
    if make is not None:
        if first:
            make()
        end = time.monotonic() + _PATIENCE
        while not (folder / runs.CONFIG).is_file() and time.monotonic() < end:
            time.sleep(0.1)
    try:
        with taken_on(folder) if first else nullcontext():
            state = train(folder)
    except OtherFailed:  # which has said why
        return 3
    if first:
        print(told[state], flush=True)
    return 0
