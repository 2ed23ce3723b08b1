"""The client of a worker process: starts it, asks, hears, cancels, and starts it again where it dies.

Plain Python without PyTorch. Nothing here blocks but `stop` and `wait`; callbacks are called from `poll` only, which a
timer calls in a user interface and a loop elsewhere.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import SATError
from . import protocol
from .arrays import image_message, mask_of_result
from .connection import Connection
from .protocol import PROTOCOL

__all__ = ["Worker", "WorkerError", "image_message", "mask_of_result"]

CANCEL_SECONDS = 2.0  # that a request may take to stop before the process is killed
START_SECONDS = 180.0  # that a process may take until it answers; a cold disk loads PyTorch slowly
_POLL_SECONDS = 0.05  # of callbacks in one `poll`
_DETAILS = 40  # lines of the log with an error
_REMEMBERED = 32  # answered requests that `wait` still knows

_KINDS = {
    protocol.CANCELLED: "cancelled",
    protocol.BAD_INPUT: "input",
    protocol.IMAGE_GONE: "gone",
    protocol.BAD_MODEL: "model",
    protocol.OUT_OF_MEMORY: "memory",
    protocol.NOT_INSTALLED: "setup",
    protocol.PARSE_ERROR: "protocol",
    protocol.INVALID_REQUEST: "protocol",
    protocol.UNKNOWN_METHOD: "protocol",
    protocol.BAD_PARAMETERS: "protocol",
}


class WorkerError(SATError):
    """Why a request was not answered.

    Attributes:
        kind: "died" (the process ended or could not be started), "cancelled", "input", "gone" (the image is no longer
            kept: `setImage` again), "model", "memory", "setup" (something is not installed), "protocol" (the
            other side is something else, or of another version), "internal".
        details: The end of the log, or where it went wrong, for a report.
    """

    def __init__(self, message: str, kind: str, details: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.details = details


@dataclass(eq=False)
class _Request:
    id: int
    method: str
    frame: tuple[bytes, memoryview | bytes]
    on_progress: Callable[[str, int, int], None] | None = None
    on_result: Callable[[dict, bytearray | None], None] | None = None
    on_done: Callable[[Any], None] | None = None
    on_error: Callable[[WorkerError], None] | None = None
    sent: bool = False
    kill_at: float | None = None  # set by a cancel
    outcome: Any = None  # the result or the WorkerError
    answered: bool = False


class Worker:
    """A worker process and the requests it is asked.

    Args:
        command: What to run: a program and its arguments, such as ["ssh", "host", "python", "-m",
            "SATSegmentLib.worker"]; None for this Python with this library.
        environment: All environment variables of the process; None for those of this one.
        remote: Whether the process sees other files than this one, so that arrays go through the stream.
    """

    def __init__(
        self,
        command: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
        remote: bool = False,
    ) -> None:
        self.remote = remote
        self.info: dict = {}
        """What the process told about itself: version, python, torch, devices, device (the one "auto" means),
        free_memory_gb, pid."""
        self.error: WorkerError | None = None
        """Why the state is "failed"."""
        self._command = None if command is None else list(command)
        self._environment = environment
        self._connection: Connection | None = None
        self._killed: list[Connection] = []
        self._log: deque[str] = deque()
        self._initialized = False
        self._start_by = 0.0
        self._next_id = 1
        self._open: dict[int, _Request] = {}
        self._finished: deque[_Request] = deque(maxlen=_REMEMBERED)
        self._settled: deque[tuple[_Request, Any]] = deque()  # answers to be told by `poll`
        self._polling = False

    @property
    def state(self) -> str:
        """ "stopped", "starting", "ready", "busy" (requests are open), or "failed" (the next request starts it
        anew)."""
        if self._connection is None:
            return "stopped" if self.error is None else "failed"
        if not self._initialized:
            return "starting"
        return "busy" if self._open else "ready"

    @property
    def log(self) -> list[str]:
        """The last 200 lines of the process' stderr, or of the last one's."""
        return list(self._log)

    def start(self) -> None:
        """Starts the process if it does not run; what goes wrong is told to the requests, and by `error`."""
        if self._connection is not None:
            return
        self.error, self._initialized = None, False
        command, environment = self._command, self._environment
        if command is None:
            command, environment = [sys.executable, "-m", "SATSegmentLib.worker"], with_library(environment)
        try:
            self._connection = Connection(command, environment)
        except (OSError, ValueError) as error:
            self._fail(
                WorkerError(
                    f'The segmentation process cannot be started: "{command[0]}" does not run ({error}). Check its '
                    "command in the module's Setup.",
                    "died",
                )
            )
            return
        self._log = self._connection.log
        self._start_by = time.monotonic() + START_SECONDS
        params = {"protocol": PROTOCOL, "client": f"SlicerSAT {__version__}"}
        if not self.remote:
            params["folder"] = str(self._connection.folder)
        self._connection.send(protocol.frame(protocol.request("initialize", params, 0)))

    def request(
        self,
        method: str,
        params: dict | None = None,
        binary=None,
        on_progress: Callable[[str, int, int], None] | None = None,
        on_result: Callable[[dict, bytearray | None], None] | None = None,
        on_done: Callable[[Any], None] | None = None,
        on_error: Callable[[WorkerError], None] | None = None,
    ) -> int:
        """Asks, starting the process when needed; requests are worked off in order.

        Args:
            method, params: See the methods of `SATSegmentLib.worker.session.Session`.
            binary: A contiguous array that goes with it; not to be changed until the answer is there.
            on_progress: Gets the stage, how much is done and how much there is.
            on_result: Gets each part of the answer, and what came with it.
            on_done: Gets the answer.
            on_error: Gets the reason why there is none. Exactly one of both is called, once.

        Returns:
            The request's number.

        Raises:
            TypeError: The parameters are no JSON, or the array is not contiguous.
        """
        frame = protocol.frame(protocol.request(method, params or {}, self._next_id), binary)
        identity, self._next_id = self._next_id, self._next_id + 1
        request = _Request(identity, method, frame, on_progress, on_result, on_done, on_error)
        self._open[identity] = request
        self.start()
        self._send_waiting()
        return identity

    def cancel(self, request_id: int, kill: bool = True) -> None:
        """Stops a request at its next window, or within two seconds by killing the process and all it started.

        From now on nothing of it is told but its end, an error of kind "cancelled". Requests behind one that had to be
        killed are asked of a new process.

        Args:
            request_id: Its number.
            kill: Whether the process, with all it holds, may be killed for it.
        """
        request = self._open.get(request_id)
        if request is None:  # its answer may be here without having been told
            for place, (settled, _outcome) in enumerate(self._settled):
                if settled.id == request_id:
                    self._settled[place] = settled, _cancelled()
                    break
            return
        if request.kill_at is not None:
            return
        if not request.sent:
            self._settle(request, _cancelled())
            return
        request.kill_at = time.monotonic() + CANCEL_SECONDS if kill else math.inf
        self._connection.send(protocol.frame(protocol.request("$/cancelRequest", {"id": request_id})))

    def poll(self) -> None:
        """Calls the callbacks of what has come; never blocks, and leaves the rest to the next call after 50 ms.

        What a callback raises comes through, and nothing else is lost by it. Inside a callback this does nothing.
        """
        if self._polling:
            return
        self._polling = True
        try:
            self._killed = [connection for connection in self._killed if not connection.reap()]
            until = time.monotonic() + _POLL_SECONDS
            while self._step() and time.monotonic() < until:
                pass
        finally:
            self._polling = False

    def wait(self, request_id: int, timeout: float | None = None) -> Any:
        """Polls until a request is answered; for scripts, not for callbacks.

        Returns:
            The answer.

        Raises:
            WorkerError: There is none.
            TimeoutError: `timeout` seconds have passed.
            KeyError: There was no such request, or it was answered long ago.
        """
        if self._polling:
            raise RuntimeError("A callback must not wait; it would wait for itself.")
        known = {request.id: request for request in self._finished} | self._open
        known |= {request.id: request for request, _ in self._settled}
        request = known[request_id]
        until = None if timeout is None else time.monotonic() + timeout
        while not request.answered:
            if until is not None and time.monotonic() > until:
                raise TimeoutError(f"{request.method} was not answered within {timeout} seconds.")
            self.poll()
            if not request.answered:
                time.sleep(0.005)
        if isinstance(request.outcome, WorkerError):
            raise request.outcome
        return request.outcome

    def stop(self) -> None:
        """Ends the process, by force after two seconds. Open requests are cancelled, which the next `poll` tells."""
        connection, self._connection = self._connection, None
        for request in list(self._open.values()):
            self._settle(request, _cancelled())
        if connection is not None:
            connection.send(protocol.frame(protocol.request("shutdown", {}, self._next_id)))
            connection.stop()
        self.error = None

    # What `poll` does

    def _step(self) -> bool:
        """Handles one thing; False where there is nothing to do."""
        if self._settled:
            self._tell(*self._settled.popleft())
            return True
        connection = self._connection
        if connection is None:
            return False
        ended, garbage = connection.ended(), connection.garbage  # before looking for what it said last
        if not connection.messages.empty():
            self._receive(*connection.messages.get())
            return True
        if garbage is not None:
            self._fail(self._stranger(str(garbage)))
        elif ended:
            self._fail(self._death(connection))
        elif not self._initialized and time.monotonic() > self._start_by:
            self._fail(self._stranger(f"it said nothing within {START_SECONDS:.0f} seconds."))
        elif any(r.kill_at is not None and time.monotonic() > r.kill_at for r in self._open.values()):
            self._kill_cancelled()
        else:
            return False
        return True

    def _receive(self, message: dict, binary: bytearray | None) -> None:
        if "method" in message:
            self._notified(message["method"], message.get("params"), binary)
        elif message.get("id") == 0 and not self._initialized:
            self._greeted(message)
        elif message.get("id") in self._open:
            request = self._open[message["id"]]
            self._settle(request, message["result"] if "result" in message else self._error_of(message))

    def _notified(self, method: str, params: dict, binary: bytearray | None) -> None:
        if method not in ("$/progress", "$/result"):
            self._fail(self._stranger(f'it asks for "{method}".'))
            return
        request = self._open.get(params["id"])
        if request is None or request.kill_at is not None:
            return
        if method == "$/result" and request.on_result:
            request.on_result(params, binary)
        elif method == "$/progress" and request.on_progress:
            request.on_progress(params["stage"], params["done"], params["total"])

    def _greeted(self, message: dict) -> None:
        """What came in answer to `initialize`."""
        if "error" in message:
            self._fail(self._error_of(message))
            return
        told = message.get("result")
        theirs = told.get("protocol") if isinstance(told, dict) else None
        if theirs != PROTOCOL:
            self._fail(WorkerError(protocol.mismatch(PROTOCOL, theirs), "protocol", self._details()))
            return
        self.info = told
        self._initialized = True
        self._send_waiting()

    def _send_waiting(self) -> None:
        if self._connection is None or not self._initialized:
            return
        for request in self._open.values():
            if not request.sent:
                request.sent = True
                self._connection.send(request.frame)

    def _settle(self, request: _Request, outcome: Any) -> None:
        """Notes an answer; `poll` tells it."""
        del self._open[request.id]
        self._settled.append((request, outcome if request.kill_at is None else _cancelled()))

    def _tell(self, request: _Request, outcome: Any) -> None:
        request.outcome, request.answered = outcome, True
        request.frame = b"", b""
        self._finished.append(request)
        callback = request.on_error if isinstance(outcome, WorkerError) else request.on_done
        request.on_progress = request.on_result = request.on_done = request.on_error = None
        if callback:
            callback(outcome)

    # What can go wrong

    def _fail(self, error: WorkerError) -> None:
        """Gives up the process and tells every open request why."""
        self._drop()
        self.error = error
        for request in list(self._open.values()):
            self._settle(request, error)

    def _kill_cancelled(self) -> None:
        self._drop()
        for request in list(self._open.values()):
            request.sent = False
            if request.kill_at is not None:
                self._settle(request, None)
        if self._open:
            self.start()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.kill()
            self._killed.append(self._connection)
            self._connection = None

    def _error_of(self, message: dict) -> WorkerError:
        error = message.get("error") or {}
        details = error.get("data") or self._details()
        return WorkerError(str(error.get("message")), _KINDS.get(error.get("code"), "internal"), details)

    def _stranger(self, what: str) -> WorkerError:
        return WorkerError(
            f"What was started is not SlicerSAT's segmentation process, or something prints in between: {what} "
            "Check its command in the module's Setup.",
            "protocol",
            self._details(),
        )

    def _death(self, connection: Connection) -> WorkerError:
        reason = _reason(connection.exit_code)
        if self._initialized:
            told = f"The segmentation process stopped unexpectedly ({reason}). It starts again on the next run."
        else:
            last = next((line.strip() for line in reversed(self.log) if line.strip()), "")
            told = (
                f"The segmentation process did not start ({reason}{f': {last}' if last else ''}). Install what is "
                "missing, or check its command, in the module's Setup."
            )
        return WorkerError(told, "died", self._details())

    def _details(self) -> str:
        return "\n".join(self.log[-_DETAILS:])


def _cancelled() -> WorkerError:
    return WorkerError("Cancelled.", "cancelled")


def _reason(exit_code: int | None) -> str:
    if exit_code is None:
        return "it closed its output"
    # a shell and ssh add 128 to the signal that ended what they ran
    number = -exit_code if exit_code < 0 else exit_code - 128
    if os.name == "nt" or number not in set(signal.Signals):
        return f"exit code {exit_code}"
    name = signal.Signals(number).name
    return f"{name}, which often means that memory ran out" if name == "SIGKILL" else name


def with_library(environment: Mapping[str, str] | None) -> dict[str, str]:
    """The environment in which the worker finds this very library."""
    environment = dict(os.environ if environment is None else environment)
    paths = [str(Path(__file__).resolve().parents[2]), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    environment["PYTHONSAFEPATH"] = "1"  # no file of the current folder stands in for a package
    return environment
