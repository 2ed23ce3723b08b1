"""The worker's side of the protocol: reads messages, works off requests one at a time, answers."""

from __future__ import annotations

import inspect
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol

from ..errors import Cancelled
from . import protocol
from .faults import fault_of
from .protocol import PROTOCOL

EXIT_SECONDS = 2.0  # that work under way may take once the client is gone
_PROGRESS_SECONDS = 0.1  # between two notifications of one stage


class Session(Protocol):
    """What does the work."""

    methods: dict[str, Callable]
    """Methods by name, called with a `Call` and the request's parameters."""

    def describe(self) -> dict:
        """What `initialize` tells about the machine."""

    def close(self) -> None:
        """Frees what is held, files first; may be called while a method runs."""


class Call:
    """One request that is worked on.

    Attributes:
        id: Of the request.
        binary: What came with it.
    """

    def __init__(self, server: Server, identity: Any, binary: bytearray | None) -> None:
        self.id = identity
        self.binary = binary
        self._server = server
        self._cancelled = threading.Event()
        self._told: tuple[str, float] = ("", 0.0)

    def cancel(self) -> None:
        """Asks the work to stop."""
        self._cancelled.set()

    def cancelled(self) -> bool:
        """Whether the work is to stop."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raises `Cancelled` where the work is to stop."""
        if self.cancelled():
            raise Cancelled

    def progress(self, stage: str, done: int, total: int) -> None:
        """Tells how far a stage is; most calls in quick succession are left out, never the last of a stage."""
        now = time.monotonic()
        told, when = self._told
        if stage != told or done >= total or now - when >= _PROGRESS_SECONDS:
            self._told = (stage, now)
            self._notify("$/progress", {"stage": stage, "done": done, "total": total})

    def result(self, values: dict, binary=None) -> None:
        """Hands over a part of the answer."""
        self._notify("$/result", values, binary)

    def _notify(self, method: str, values: dict, binary=None) -> None:
        self._server.send(protocol.request(method, {"id": self.id, **values}), binary)


class Server:
    """Serves one client until it goes.

    A thread reads, so that a cancel is heard in the middle of the work; the work itself is done by the thread
    that calls `run`.

    Args:
        source, target: Where messages come from and go to; buffered, and used by nothing else.
        make_session: Makes what does the work, given the parameters of `initialize`. It is called with the
            first request, since it may load slow libraries, or fail as one of them is missing.
    """

    def __init__(self, source: BinaryIO, target: BinaryIO, make_session: Callable[[dict], Session]) -> None:
        self._source = source
        self._target = target
        self._make_session = make_session
        self._session: Session | None = None
        self._writing = threading.Lock()
        self._changed = threading.Condition()
        # guarded by _changed
        self._queue: deque[tuple[Call, str, Any]] = deque()
        self._current: Call | None = None
        self._closing = False

    def run(self) -> None:
        """Works until the client is gone or has sent `shutdown`."""
        threading.Thread(target=self._read, name="reader", daemon=True).start()
        while (waiting := self._next()) is not None:
            self._answer(*waiting)
        if self._session is not None:
            self._session.close()

    def send(self, message: dict, binary=None) -> None:
        """Writes a message; where the client is gone, does nothing, as the reader will notice."""
        parts = protocol.frame(message, binary)
        with self._writing:
            try:
                protocol.write_frame(self._target, parts)
            except (OSError, ValueError):
                self._close()

    # The reader's thread

    def _read(self) -> None:
        try:
            while (message := protocol.read_message(self._source)) is not None:
                self._receive(*message)
        except Exception as error:  # also memory, for an array that is too large
            print(f"The client cannot be understood: {error}", file=sys.stderr)
        self._close()
        self._exit_soon()

    def _receive(self, message: dict, binary: bytearray | None) -> None:
        method, identity, parameters = (message.get(name) for name in ("method", "id", "params"))
        if method == "$/cancelRequest":
            self._cancel((parameters or {}).get("id"))
        elif not isinstance(method, str):
            self.send(protocol.error_response(identity, protocol.INVALID_REQUEST, "A request names its method."))
        elif identity is not None:  # other notifications are none of this protocol's
            with self._changed:
                self._queue.append((Call(self, identity, binary), method, parameters))
                self._changed.notify()

    def _cancel(self, identity: Any) -> None:
        with self._changed:
            if self._current is not None and self._current.id == identity:
                self._current.cancel()
            waiting = [entry for entry in self._queue if entry[0].id == identity]
            for entry in waiting:
                self._queue.remove(entry)
        for call, *_ in waiting:
            self.send(_failure(call, Cancelled()))

    def _close(self) -> None:
        with self._changed:
            self._closing = True
            self._queue.clear()
            if self._current is not None:
                self._current.cancel()
            self._changed.notify()

    def _exit_soon(self) -> None:
        """Ends the process even where the work does not come to its next window."""
        time.sleep(EXIT_SECONDS)  # the process ends in the meantime, as this is a daemon's thread
        if self._session is not None:
            self._session.close()
        os._exit(1)

    # The worker's thread

    def _next(self) -> tuple[Call, str, Any] | None:
        with self._changed:
            self._current = None
            while not self._queue and not self._closing:
                self._changed.wait()
            if self._closing:
                return None
            waiting = self._queue.popleft()
            self._current = waiting[0]
            return waiting

    def _answer(self, call: Call, method: str, parameters: Any) -> None:
        try:
            message = protocol.response(call.id, self._work(call, method, parameters))
        except Exception as error:
            message = _failure(call, error)
        # not earlier: an exception holds on to files, which the client may now want to remove
        self.send(message)

    def _work(self, call: Call, method: str, parameters: Any) -> Any:
        if parameters is not None and not isinstance(parameters, dict):
            raise _RefusedError(protocol.BAD_PARAMETERS, f"The parameters of {method} are not given by name.")
        parameters = parameters or {}
        if method == "initialize":
            return self._initialize(parameters)
        if method == "shutdown":
            self._close()
            return {}
        if self._session is None:
            raise _RefusedError(protocol.INVALID_REQUEST, f"initialize comes before {method}.")
        if method not in self._session.methods:
            raise _RefusedError(protocol.UNKNOWN_METHOD, f"The segmentation process knows no {method}; update it.")
        function = self._session.methods[method]
        try:
            inspect.signature(function).bind(call, **parameters)
        except TypeError as error:
            raise _RefusedError(protocol.BAD_PARAMETERS, f"The parameters of {method} are wrong: {error}.") from error
        call.check()
        return function(call, **parameters)

    def _initialize(self, parameters: dict) -> dict:
        if parameters.get("protocol") != PROTOCOL:
            told = protocol.mismatch(parameters.get("protocol"), PROTOCOL)
            raise _RefusedError(protocol.INVALID_REQUEST, told)
        if self._session is None:
            self._session = self._make_session(parameters)
        return {"protocol": PROTOCOL, "pid": os.getpid(), **self._session.describe()}


class _RefusedError(Exception):
    """A request that breaks the protocol."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def _failure(call: Call, error: Exception) -> dict:
    """The answer to a request that failed; details also go to the log."""
    if isinstance(error, _RefusedError):
        return protocol.error_response(call.id, error.code, str(error))
    code, message, details = fault_of(error)
    if details:
        print(details, file=sys.stderr, flush=True)
    return protocol.error_response(call.id, code, message, details)
