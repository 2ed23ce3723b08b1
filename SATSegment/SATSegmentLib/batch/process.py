"""`satsegment batch` as a process of a window: started, heard of without waiting, ended with all it started."""

from __future__ import annotations

import atexit
import json
import queue
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence

from ..errors import SATError
from ..worker.client import with_library
from ..worker.connection import apart, kill_tree
from ..worker.temporary import own_folder

_LOG_LINES = 60
_NAME = "satsegment: "  # before what the command says
_CODES = (2, 3)  # with which it says what is wrong, in a sentence

_alive: set[BatchProcess] = set()


class BatchProcess:
    """The running command.

    Attributes:
        log: The last lines of its stderr.

    Args:
        arguments: Of `satsegment batch`, without `--json`.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self.log: deque[str] = deque(maxlen=_LOG_LINES)
        self._events: queue.SimpleQueue[dict] = queue.SimpleQueue()
        self._folder = own_folder("sat-panel")  # of what it leaves when it is killed
        environment = with_library(None) | {"PYTHONUTF8": "1", "DASK_TEMPORARY_DIRECTORY": str(self._folder)}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "SATSegmentLib", "batch", *arguments, "--json"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                env=environment,
                **apart(),
            )
        except BaseException:
            self._folder.rmdir()
            raise
        _alive.add(self)
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read, self._read_log)]
        for reader in self._readers:
            reader.start()

    def events(self) -> list[dict]:
        """What it told since they were asked for last."""
        told = []
        while not self._events.empty():
            told.append(self._events.get())
        return told

    @property
    def ended(self) -> bool:
        """Whether it is gone, and all it told can be had by `events`."""
        return self._process.poll() is not None and not any(reader.is_alive() for reader in self._readers)

    @property
    def error(self) -> SATError | None:
        """Why an ended process failed, in its own words where it found any; with the end of its log as `details`."""
        code = self._process.returncode
        if not code:
            return None
        said = [line.removeprefix(_NAME) for line in self.log if line.startswith(_NAME)]
        error = SATError(said[-1] if said and code in _CODES else f"The process ended unexpectedly (code {code}).")
        error.details = "\n".join(self.log)
        return error

    def kill(self) -> None:
        """Ends it and all it started, at once, and removes what it left; also to be called once it has ended."""
        if self._process.poll() is None:
            kill_tree(self._process)
        shutil.rmtree(self._folder, ignore_errors=True)
        _alive.discard(self)

    def _read(self) -> None:
        with self._process.stdout as stream:
            for line in stream:
                if line.startswith("{"):
                    self._events.put(json.loads(line))

    def _read_log(self) -> None:
        with self._process.stderr as stream:
            for line in stream:
                self.log.append(line.rstrip())


@atexit.register
def _kill_all() -> None:
    for process in list(_alive):
        process.kill()
