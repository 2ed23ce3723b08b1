"""Temporary folders that say whose they are, so that those of processes that were killed can be removed."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

_NAME = re.compile(r"sat-(?:panel|worker)-(\d+)-\w+")


def own_folder(prefix: str) -> Path:
    """A new temporary folder of this process.

    Args:
        prefix: "sat-panel" or "sat-worker".
    """
    return Path(tempfile.mkdtemp(prefix=f"{prefix}-{os.getpid()}-"))


def sweep() -> None:
    """Removes the temporary folders of processes that are gone without having done so; never fails."""
    for folder in Path(tempfile.gettempdir()).glob("sat-*-*"):
        named = _NAME.fullmatch(folder.name)
        if named and _is_gone(int(named[1])):
            shutil.rmtree(folder, ignore_errors=True)  # another user's stays


def _is_gone(pid: int) -> bool:
    """Whether there is surely no such process."""
    try:
        import psutil
    except ImportError:  # not yet installed in Slicer
        return False
    return not psutil.pid_exists(pid)
