"""What was prepared for trainings and is kept for the next one: how much it is, and removing it."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from SATSegmentLib.errors import Cancelled, InputError, SATError
from SATSegmentLib.models.registry import disk_use

from ..caches import cases_cache, texts_cache
from .runs import list_runs


def prepared_folders() -> tuple[Path, Path]:
    """Of cases and of texts."""
    return cases_cache(), texts_cache()


def prepared_bytes() -> int:
    """On disk; it looks at every file, which may take a while."""
    return sum(map(disk_use, prepared_folders()))


def check_idle() -> None:
    """Refuses to remove what a run of the runs folder may be reading.

    Raises:
        InputError: One is alive.
    """
    names = [run.folder.name for run in list_runs() if run.alive]
    if names:
        raise InputError(
            f"Prepared cases are in use by {', '.join(names)}; wait until that has ended, or cancel it in the tab Run."
        )


def clear_prepared(cancelled: Callable[[], bool] | None = None) -> None:
    """Removes what is kept; the next training prepares what it needs anew.

    Args:
        cancelled: Asked before each case.

    Raises:
        InputError: A run is alive.
        SATError: Something cannot be removed; what could is gone.
        Cancelled: `cancelled` said so.
    """
    check_idle()
    for folder in prepared_folders():
        for entry in list(folder.iterdir()) if folder.is_dir() else ():
            if cancelled and cancelled():
                raise Cancelled
            try:
                _remove(entry)
            except OSError as error:
                raise SATError(f"{entry} cannot be removed: {error.strerror or error}.") from error


def _remove(entry: Path) -> None:
    if not entry.is_dir() or entry.is_symlink():
        entry.unlink()
        return
    going = entry.with_name(f".{uuid.uuid4().hex}.part")  # so that what is left of it is never taken for a case
    entry.rename(going)
    shutil.rmtree(going)
