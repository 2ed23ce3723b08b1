"""Requests to stop a run: a file, SIGTERM, Ctrl-C."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil

from .. import runs


class StopRequests:
    """Listens while it is entered; a second Ctrl-C ends the process at once, as it always would.

    Args:
        folder: Of the run.

    Attributes:
        interrupted: Whether Ctrl-C asked.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / runs.STOP
        self._asked = False
        self._before: dict[int, object] = {}
        self.interrupted = False

    def __enter__(self) -> StopRequests:
        # a file from before this process is a request that an earlier one did not live to see
        with suppress(OSError):
            if self._file.stat().st_mtime < psutil.Process(os.getpid()).create_time() - 1:
                self._file.unlink()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        """Whether the run is to stop."""
        return self._asked or self._file.exists()

    def done(self) -> None:
        """The run has stopped; a request by file is answered."""
        self._file.unlink(missing_ok=True)

    def _on_signal(self, number: int, _frame) -> None:
        self._asked = True
        if number == signal.SIGINT:
            self.interrupted = True
            if "TORCHELASTIC_RUN_ID" not in os.environ:  # torchrun passes on what the terminal has sent already
                signal.signal(number, self._before[number])


def ignore_signals() -> None:
    """For processes that only draw windows: the one that trains decides when they end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
