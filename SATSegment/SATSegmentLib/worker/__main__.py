"""`python -m SATSegmentLib.worker`: the process that holds the model, spoken to over its standard streams."""

from __future__ import annotations

import faulthandler
import os
import sys
from pathlib import Path
from typing import BinaryIO, NoReturn


def main() -> NoReturn:
    """Serves until the client goes, then ends the process."""
    source, target = take_streams()
    faulthandler.enable(sys.stderr)  # a crash in a library leaves its place in the log
    from .server import Server

    Server(source, target, _make_session).run()
    sys.stderr.flush()
    os._exit(0)  # the interpreter's own end does not survive a thread that still waits for input


def take_streams() -> tuple[BinaryIO, BinaryIO]:
    """Takes stdin and stdout for the protocol.

    What libraries and their child processes print goes to stderr, and they read nothing.

    Returns:
        (input, output) of the protocol, buffered.
    """
    source, target = os.dup(0), os.dup(1)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (source, target):
            msvcrt.setmode(descriptor, os.O_BINARY)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    return os.fdopen(source, "rb"), os.fdopen(target, "wb")


def _make_session(parameters: dict):
    from .session import Session

    return Session(parameters.get("folder"))


if __name__ == "__main__":
    main()
