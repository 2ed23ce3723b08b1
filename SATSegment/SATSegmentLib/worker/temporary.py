"""Temporary folders that say whose they are, so that those of processes that were killed can be removed."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
from hashlib import blake2b
from pathlib import Path

_NAME = re.compile(r"sat-(?:panel|worker)-([0-9a-f]{8})-(\d+)-\w+")


def own_folder(prefix: str) -> Path:
    """A new temporary folder of this process.

    Args:
        prefix: "sat-panel" or "sat-worker".
    """
    return Path(tempfile.mkdtemp(prefix=f"{prefix}-{_numbering()}-{os.getpid()}-"))


def sweep() -> None:
    """Removes the temporary folders of processes that are gone without having done so; never fails.

    Those of other hosts and containers that share the place stay: their processes cannot be seen from here.
    """
    here = _numbering()
    for folder in Path(tempfile.gettempdir()).glob("sat-*-*"):
        named = _NAME.fullmatch(folder.name)
        if named and named[1] == here and _is_gone(int(named[2])):
            shutil.rmtree(folder, ignore_errors=True)  # another user's stays


def _numbering() -> str:
    """Eight digits that tell apart where process numbers mean something else: hosts, and Linux' containers."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return blake2b(f"{socket.gethostname()} {space}".encode("utf-8", "backslashreplace"), digest_size=4).hexdigest()


def _is_gone(pid: int) -> bool:
    """Whether there is surely no such process."""
    try:
        import psutil
    except ImportError:  # not yet installed in Slicer
        return False
    return not psutil.pid_exists(pid)
