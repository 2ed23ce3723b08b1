"""Processes that train, with a fault built in where a test wants one, and what they leave behind."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from pathlib import Path

import torch

from SATTrainingLib import runs

ROOT = Path(__file__).resolve().parents[3]
HELD = "held"  # the file in a run's folder that says that its process waits to be killed

# Starts processes from one that has imported all that takes long
_CONTEXT = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
if sys.platform != "win32":
    _CONTEXT.set_forkserver_preload(["SATTrainingLib.training.start", "torch.utils.tensorboard", __name__])


def environment() -> dict[str, str]:
    """Of commands that train."""
    path = os.pathsep.join(str(ROOT / module) for module in ("SATSegment", "SATTraining"))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def start(folder: Path, *fault) -> multiprocessing.Process:
    """A process that trains the run in `folder`; `fault` is the name of a function here and its arguments."""
    process = _CONTEXT.Process(target=_train, args=(os.environ["SATSEGMENT_HOME"], folder, *fault))
    process.start()
    return process


def finish(folder: Path, *fault, code: int = 0) -> None:
    """Trains the run in `folder` in a process of its own, which must end with `code`."""
    process = start(folder, *fault)
    process.join(240)
    assert process.exitcode == code, (process.exitcode, runs.read_state(folder))


def wait(process, condition) -> None:
    """Until `condition()`, as long as the process lives."""
    deadline = time.monotonic() + 120
    while not condition():
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def told(folder: Path, *kinds: str) -> list[dict]:
    """The events that count, without what differs from run to run."""
    own = ("time", "seconds", "seconds_a_step", "windows_a_second", "data_share", "memory_gb")
    events = runs.current(runs.read_events(folder)[0])
    return [{key: value for key, value in e.items() if key not in own} for e in events if e["event"] in kinds]


def _train(home: str, folder: Path, fault: str | None = None, *arguments) -> None:
    """Ends with the exit code of the command line."""
    from SATTrainingLib.cli import main

    os.environ["SATSEGMENT_HOME"] = home
    multiprocessing.set_start_method(None, force=True)  # that of a command, not the one that started this process
    torch.set_num_threads(1)
    if fault is not None:
        globals()[fault](folder, *arguments)
    sys.exit(main(["resume", "--run", str(folder)]))


def hold_in_save(folder: Path, number: int) -> None:
    """Waits within the writing of the checkpoint `number`, counted from 1."""
    from SATTrainingLib.training import checkpoint

    saves = []
    sync = checkpoint.os.fsync

    def fsync(descriptor: int) -> None:
        sync(descriptor)
        saves.append(descriptor)
        if len(saves) == number:
            _hold(folder)

    checkpoint.os.fsync = fsync


def hold_in_validation(folder: Path, number: int) -> None:
    """Waits after the validation `number`, counted from 1, before anything is told of it."""
    from SATTrainingLib.training import trainer

    validate, validations = trainer.validate, []

    def validated(*arguments):
        scores = validate(*arguments)
        validations.append(scores)
        if len(validations) == number:
            _hold(folder)
        return scores

    trainer.validate = validated


def small_files(folder: Path, size: int) -> None:
    """No file can grow beyond `size` bytes."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _hold(folder: Path) -> None:
    (folder / HELD).touch()
    time.sleep(600)
