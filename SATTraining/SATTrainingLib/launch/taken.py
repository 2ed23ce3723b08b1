"""A run taken on by the process that is to train it, which no other process does meanwhile."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from SATSegmentLib.errors import InputError, SATError

from .. import runs
from ..runs import locked, read_state, take_on, write_state
from .process import SILENT_SECONDS, is_alive, is_running


@contextmanager
def taken_on(folder: Path) -> Iterator[None]:
    """Makes this process the one that works on the run in `folder`; of torchrun's processes the first does so.

    What a dead process has left is no hindrance; on another computer it is known by its silence, which is waited for.

    Raises:
        InputError: There is no run, or another process works on it.
        SATError: The folder cannot be written.
    """
    import psutil

    folder = folder.resolve()
    if not (folder / runs.CONFIG).is_file():
        raise InputError(f"There is no run in {folder}.")
    _await_news(folder)
    own = psutil.Process()
    family = {own.pid, *(parent.pid for parent in own.parents())}  # torchrun, or what `start` has started
    try:
        with locked(folder, runs.LOCK_SECONDS):
            before = read_state(folder)
            if is_running(folder, before, family):
                raise InputError(
                    f"Another process works on the run {folder}, on {before.host or 'this computer'}; wait for its "
                    f"end, or pause it by making the file {folder / runs.STOP}, then resume the run."
                )
            taken = take_on(folder, before, own.pid, own.create_time())
    except OSError as error:
        raise SATError(f"The run {folder.name} cannot be started: {error}.") from error
    try:
        yield
    finally:
        with suppress(OSError):
            if read_state(folder) == taken:  # the work was refused
                write_state(folder, before)


def _await_news(folder: Path) -> None:
    """Waits until it is known whether a process on another computer still works on a run."""
    state = read_state(folder)
    if state.host == socket.gethostname() or not is_alive(state):
        return
    seconds = SILENT_SECONDS + state.updated - time.time()
    print(f"{state.host} was at work on this run; waiting for news of it, at most {seconds:.0f} s.", flush=True)
    while is_alive(state) and read_state(folder) == state:
        time.sleep(1)
