"""The runs of this computer's user: where they are, which there are, removing one."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from SATSegmentLib.errors import InputError, SATError
from SATSegmentLib.models.registry import data_folder

from ..runs import CONFIG, RunState, read_state
from .process import is_running, observed

_LONGEST_NAME = 60
_OF_WINDOWS = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)$", re.IGNORECASE)  # device names, which no folder may have


@dataclass(frozen=True)
class RunInfo:
    """A run as a list shows it.

    Attributes:
        folder: Its name is the run's.
        summary: Base and what is trained, such as "sat-nano, decoder, 2000 steps".
        state: As it is in truth (`process.observed`).
        alive: Whether a process works on it.
        created: Seconds since 1970.
    """

    folder: Path
    summary: str
    state: RunState
    alive: bool
    created: float


def runs_folder() -> Path:
    """Where runs are kept that are started here."""
    return data_folder() / "runs"


def new_run_folder(title: str) -> Path:
    """Makes an empty folder for a run in the runs folder, named after its title.

    Returns:
        The folder; a number is added where the name is taken.

    Raises:
        SATError: It cannot be made.
    """
    name = _safe(title)
    number = 1
    while True:
        folder = runs_folder() / (name if number == 1 else f"{name}-{number}")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
            return folder
        except FileExistsError as error:
            if folder.parent.is_dir():
                number += 1
                continue
            raise SATError(f"{folder.parent} is no folder; move it away.") from error
        except OSError as error:
            raise SATError(f"The folder {folder} for the run cannot be made: {error.strerror}.") from error


def list_runs(folder: Path | None = None) -> list[RunInfo]:
    """The runs in a folder (the runs folder where none is given), the newest first."""
    folder = runs_folder() if folder is None else folder
    found = []
    for path in folder.glob(f"[!.]*/{CONFIG}"):
        with suppress(OSError):  # it is being deleted
            state, alive = observed(path.parent, read_state(path.parent))
            found.append(RunInfo(path.parent, _summary(path), state, alive, path.stat().st_mtime))
    return sorted(found, key=lambda run: (run.created, run.folder.name), reverse=True)


def delete_run(folder: Path) -> None:
    """Deletes a run of the runs folder, checkpoints and all.

    Raises:
        InputError: It runs, or is none of the runs folder.
        SATError: Its files cannot be removed.
    """
    inside = folder.parent.resolve() == runs_folder().resolve() and not folder.is_symlink()
    if not inside or not (folder / CONFIG).is_file():
        raise InputError(f"{folder} is no run that was made here; delete the folder yourself.")
    if is_running(folder, read_state(folder)):
        raise InputError(f"The run {folder.name} is running; cancel it first.")
    gone = folder.with_name(f".{uuid.uuid4().hex}")  # so that what is left of an interrupted deletion is no run
    try:
        folder.rename(gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise SATError(f"The run {folder.name} cannot be deleted: {error}.") from error


def _safe(title: str) -> str:
    """A name for a folder on any system, as much like the title as it can be."""
    kept = re.sub(r"[^\w-]+", "-", unicodedata.normalize("NFC", title)).strip("-_")[:_LONGEST_NAME].strip("-_")
    if not kept:
        return "run"
    return f"run-{kept}" if _OF_WINDOWS.match(kept) else kept


def _summary(path: Path) -> str:
    """What a run's configuration says in a few words; empty where it cannot be read."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        base = Path(values["base"]).name if values["base"] else f"new {values['network']} network"
        return f"{base}, {values['train']}, {values['steps']} steps"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
