"""One worker process as its client sees it: started, written to and read by threads, ended with all it started."""

from __future__ import annotations

import atexit
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress

from .protocol import ProtocolError, TruncatedError, read_message, write_frame
from .temporary import own_folder

_LOG_LINES = 200
_LONGEST_LINE = 4096  # bytes of the log read at once; what is longer becomes several lines
_LAST_WORDS = 1.0  # seconds between the end of the process and that of its streams, or the other way round
_STOP_SECONDS = 2.0

_alive: set[Connection] = set()


class Connection:
    """A running process that speaks the protocol over its standard streams.

    Attributes:
        folder: For the worker's own files; removed once the process has ended.
        messages: What the process sent: (message, binary) each.
        log: The last lines of its stderr.
        garbage: What came instead of a message, if anything did; nothing is read after it.

    Args:
        command: Program and arguments.
        environment: All of it; None for that of this process.

    Raises:
        OSError: The program cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.messages: queue.SimpleQueue[tuple[dict, bytearray | None]] = queue.SimpleQueue()
        self.log: deque[str] = deque(maxlen=_LOG_LINES)
        self.garbage: ProtocolError | None = None
        self._ended_at: float | None = None
        self._outgoing: queue.SimpleQueue[tuple[bytes, memoryview | bytes] | None] = queue.SimpleQueue()
        self.folder = own_folder("sat-worker")
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=None if environment is None else dict(environment),
                **apart(),
            )
        except BaseException:
            self.folder.rmdir()
            raise
        _alive.add(self)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._log_reader = threading.Thread(target=self._read_log, daemon=True)
        for thread in (self._reader, self._log_reader, threading.Thread(target=self._write, daemon=True)):
            thread.start()

    @property
    def pid(self) -> int:
        """Of the process started; the worker itself may be a child of it."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Of the process; None while it runs."""
        return self._process.poll()

    def send(self, parts: tuple[bytes, memoryview | bytes]) -> None:
        """Sends a frame, in its turn; a process that is gone does not hear it."""
        self._outgoing.put(parts)

    def close(self) -> None:
        """Ends the process' input once all is sent, at which a worker ends."""
        self._outgoing.put(None)

    def ended(self) -> bool:
        """Whether nothing more will come: the process and its streams have ended, or one of them for a while."""
        running = self.exit_code is None
        if running and self._reader.is_alive():
            return False
        if not (running or self._reader.is_alive() or self._log_reader.is_alive()):
            return True
        self._ended_at = self._ended_at or time.monotonic()
        return time.monotonic() - self._ended_at > _LAST_WORDS

    def kill(self) -> None:
        """Ends the process and all it started, at once; `reap` is to be called until it says so."""
        self.close()
        if self.exit_code is None:
            kill_tree(self._process)

    def reap(self) -> bool:
        """Whether the process is gone; then its files are removed."""
        if self.exit_code is None:
            return False
        shutil.rmtree(self.folder, ignore_errors=True)
        _alive.discard(self)
        return True

    def stop(self) -> None:
        """Lets the process end by itself, and kills it where it takes over two seconds."""
        self.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        self.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        self.reap()

    def _write(self) -> None:
        stream = self._process.stdin
        with suppress(OSError):  # the process is gone, which the reader tells
            while (parts := self._outgoing.get()) is not None:
                write_frame(stream, parts)
        with suppress(OSError):
            stream.close()

    def _read(self) -> None:
        try:
            with self._process.stdout as stream:
                while (entry := read_message(stream)) is not None:
                    self.messages.put(entry)
        except (OSError, TruncatedError):
            pass  # it died in the middle of a message
        except ProtocolError as error:
            self.garbage = error

    def _read_log(self) -> None:
        with suppress(OSError), self._process.stderr as stream:
            while line := stream.readline(_LONGEST_LINE):
                # progress bars go back to the start of their line
                self.log.append(line.decode("utf-8", "replace").rstrip().rpartition("\r")[2])


@atexit.register
def _stop_all() -> None:
    for connection in list(_alive):
        connection.close()
    for connection in list(_alive):
        connection.stop()


def apart() -> dict:
    """Options of a process that Ctrl-C does not reach, with no window, and that can be ended with its children."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def kill_tree(process: subprocess.Popen) -> None:
    """Kills a process that was not waited for yet, its group, and all its descendants."""
    descendants = _descendants(process.pid)
    if hasattr(os, "killpg"):
        with suppress(OSError):  # its group bears its number, as it leads a session
            os.killpg(process.pid, signal.SIGKILL)
    elif descendants is None:
        subprocess.run(
            ["taskkill", "/PID", str(process.pid), "/T", "/F"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=subprocess.CREATE_NO_WINDOW,
            check=False,
        )
    for descendant in descendants or []:  # also those that made a group of their own
        with suppress(Exception):
            descendant.kill()
    with suppress(OSError):
        process.kill()


def _descendants(pid: int) -> list | None:
    """The processes that a process started, and they; None where psutil is not installed."""
    try:
        import psutil
    except ImportError:
        return None
    with suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []
