"""A training run on disk: what its folder holds, who reads and writes it.

    config.json      `TrainingConfig`, paths absolute; written once, when the run is made
    cases.jsonl      the cases as they were when the run was made
    state.json       `RunState`: what the process does now; rewritten whole
    events.jsonl     one event a line, see `Event`
    log.txt          what the process printed, where it was started by `launch`
    last.pt, best.pt checkpoints: the newest, and the one of the best validation Dice
    validation.json  the newest validation, a row a case and term
    stop             while this file exists the process saves a checkpoint and ends
    tensorboard/     the same numbers for TensorBoard
    encoder/         the text encoder that the run began with, or that it taught, see `encoder_folder`
    .start.lock      held while the run is made, and while a process takes it on

Events have `event`, `time` (seconds since 1970) and, by kind:

    start       step, steps, world_size, device, training_cases, validation_cases, terms
    prepare     done, total
    step        step, loss, losses (data set to loss), learning_rate, seconds_a_step, windows_a_second, data_share,
                memory_gb; every 10 steps, means over them
    validation  step, dice, nsd (means over terms), terms ("ct/liver" to dice, nsd, cases), seconds; step 0 is the base
    checkpoint  step, best
    end         step, reason ("done", "paused", "failed"), message

The file only grows. A run that is resumed writes `start` with the checkpoint's step; what was told of later steps
before that no longer counts (`current`).
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from SATSegmentLib.errors import InputError, SATError

CONFIG = "config.json"
CASES = "cases.jsonl"
STATE = "state.json"
EVENTS = "events.jsonl"
LOG = "log.txt"
LAST = "last.pt"
BEST = "best.pt"
VALIDATION = "validation.json"
STOP = "stop"
TENSORBOARD = "tensorboard"
ENCODER = "encoder"

NEW, PREPARING, TRAINING, VALIDATING = "new", "preparing", "training", "validating"
PAUSED, DONE, FAILED = "paused", "done", "failed"

LOCK_SECONDS = 60.0  # that another process may take to make a run, or to take it on

_LOCK = ".start.lock"

# Windows lets nobody replace a file that another process reads at that moment, or read one that is being replaced.
_TRIES, _PAUSE = 10, 0.02  # seconds


@dataclass(frozen=True)
class RunState:
    """What the process of a run does.

    Attributes:
        state: One of the constants above.
        step, steps: Done, and of how many.
        message: For people: why it failed, what to do.
        pid, started, host: Of the process (its creation time tells it from a later one with the same number).
        updated: Seconds since 1970.
    """

    state: str = NEW
    step: int = 0
    steps: int = 0
    message: str = ""
    pid: int = 0
    started: float = 0.0
    host: str = ""
    updated: float = 0.0


def read_state(folder: Path) -> RunState:
    """The state in a run's folder; a new one where there is none yet."""
    for _ in range(_TRIES):
        try:
            return RunState(**json.loads((folder / STATE).read_text(encoding="utf-8")))
        except PermissionError:
            time.sleep(_PAUSE)
        except (OSError, ValueError, TypeError):
            break
    return RunState()


def write_state(folder: Path, state: RunState) -> None:
    """Replaces the state."""
    temporary = folder / f".{STATE}.part"
    temporary.write_text(json.dumps(asdict(state)), encoding="utf-8")
    for _ in range(_TRIES - 1):
        with suppress(PermissionError):
            temporary.replace(folder / STATE)
            return
        time.sleep(_PAUSE)
    temporary.replace(folder / STATE)


def take_on(folder: Path, state: RunState, pid: int, started: float) -> RunState:
    """Writes, and returns, the state of a run once a process of this computer is to go on with it."""
    told = {"pid": pid, "started": started, "host": socket.gethostname(), "updated": time.time()}
    taken = replace(state, state=PREPARING, message="", **told)
    write_state(folder, taken)
    return taken


@contextmanager
def locked(folder: Path, seconds: float) -> Iterator[None]:
    """Keeps other processes from making or taking on the run meanwhile, on disks that know locks.

    Raises:
        InputError: One does, and is not done within `seconds`.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / _LOCK)
    try:
        with suppress(NotImplementedError):
            lock.acquire(timeout=seconds)
    except Timeout as error:
        raise InputError(f"The run {folder.name} is being started already.") from error
    try:
        yield
    finally:
        lock.release()


def make(folder: Path, steps: int, is_this: Callable[[], bool], write: Callable[[], None]) -> None:
    """Makes the folder of a run; one that holds this very run is left as it is.

    Args:
        folder: Need not exist.
        steps: Of the run.
        is_this: Whether the folder, which has a configuration, holds this run.
        write: Writes all but the state, the configuration last.

    Raises:
        InputError: The folder holds another run, or parts of one.
        SATError: The folder cannot be written.
    """

    def made() -> bool:
        if (folder / CONFIG).exists():
            if not is_this():
                raise InputError(f"{folder} holds another run; choose another folder, or resume that run as it is.")
            return True
        if any((folder / name).exists() for name in (LAST, BEST, EVENTS)):
            raise InputError(f"{folder} holds parts of another run; choose another folder.")
        return False

    if made():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder, LOCK_SECONDS):
            if not made():  # meanwhile, by another process
                write_state(folder, RunState(steps=steps))
                write()
    except OSError as error:
        raise SATError(f"The run cannot be made in {folder} ({error.strerror}); choose another folder.") from error


def read_events(folder: Path, offset: int = 0) -> tuple[list[dict], int]:
    """The events from byte `offset` on, and where to go on; a line that is not whole yet is left for later."""
    path = folder / EVENTS
    if not path.is_file():
        return [], 0
    with path.open("rb") as file:
        file.seek(offset)
        whole = file.read()
    whole = whole[: whole.rfind(b"\n") + 1]
    events = []
    for line in whole.splitlines():
        with suppress(ValueError):  # a computer that lost power leaves anything
            event = json.loads(line)
            events += [event] if isinstance(event, dict) and "event" in event else []
    return events, offset + len(whole)


def current(events: list[dict]) -> list[dict]:
    """Without what an earlier process told of steps that were done again."""
    kept: list[dict] = []
    for event in events:
        if event["event"] == "start":
            kept = [other for other in kept if other.get("step", 0) <= event["step"]]
        kept.append(event)
    return kept
