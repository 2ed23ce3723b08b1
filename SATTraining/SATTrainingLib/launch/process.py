"""The process of a run: started so that it outlives whoever started it, found again, paused, ended.

Nothing here blocks; a user interface calls `poll` from a timer while it shows a run.

Two processes can stand for a run: the one that was started (`process.json`), which may be a launcher of several
others, and the one that trains and tells of itself in the state. The run is alive while either is.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import SATSegmentLib
from SATSegmentLib.errors import InputError, SATError

from .. import runs
from ..runs import RunState, locked, read_state, take_on

PROCESS = "process.json"
GRACE_SECONDS = 30.0  # that a cancelled run may take for its checkpoint
SILENT_SECONDS = 900.0  # without news, after which a run on another computer counts as gone
RUNNING = (runs.PREPARING, runs.TRAINING, runs.VALIDATING)

_SAME_SECONDS = 10.0  # the creation time of a process moves with the system's clock
_TAIL = 32768  # bytes
_OF_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_", "GROUP_", "ROLE_", "MASTER_", "TORCHELASTIC_")

_children: dict[int, subprocess.Popen] = {}  # started here: an ended one stays a zombie until it is asked


@dataclass(frozen=True)
class Process:
    """A process, told from a later one with the same number.

    Attributes:
        pid: Its number.
        started: When it was created, in seconds since 1970.
        host: The computer.
        log: Bytes of the log that were there before.
    """

    pid: int
    started: float
    host: str
    log: int = 0


def start(folder: Path, processes: int = 1) -> None:
    """Starts or resumes the run in `folder`, and returns at once.

    Args:
        folder: Of a run that was made (`training.start.create_run`).
        processes: One for each GPU that is to be used.

    Raises:
        InputError: There is no run, it runs already, or it is done.
        SATError: The process cannot be started.
    """
    folder = folder.resolve()
    if not (folder / runs.CONFIG).is_file():
        raise InputError(f"There is no training run in {folder}.")
    if processes < 1:
        raise InputError(f"A run needs at least one process, not {processes}.")
    try:
        with locked(folder, 0):
            _start(folder, processes)
    except OSError as error:
        raise SATError(f"The run {folder.name} cannot be started: {error}.") from error


def is_alive(state: RunState) -> bool:
    """Whether the process that wrote a state still works on it.

    On another computer, or without psutil, this can only be told from how old its last news is.
    """
    if state.state not in RUNNING:
        return False
    if state.host == socket.gethostname():
        with suppress(ImportError):
            return _find(Process(state.pid, state.started, state.host)) is not None
    return time.time() - state.updated < SILENT_SECONDS


def is_running(folder: Path, state: RunState, but: Collection[int] = ()) -> bool:
    """Whether any process works on the run in `folder`, whose state is `state`, other than `but` of this computer."""
    here = socket.gethostname()
    if is_alive(state) and not (state.host == here and state.pid in but):
        return True
    top = _read_process(folder)
    if top is None or top.host != here or top.pid in but:
        return False
    with suppress(ImportError):
        return _find(top) is not None
    return False


def observed(folder: Path, state: RunState) -> tuple[RunState, bool]:
    """The state as it is in truth, and whether the run is alive.

    A process that ended without a word leaves a state that says it runs: that becomes a failed one, or a paused one
    where the run was cancelled.
    """
    alive = is_running(folder, state)
    if alive or state.state not in RUNNING:
        return state, alive
    if (folder / runs.STOP).exists():
        return replace(state, state=runs.PAUSED, message=f"It was ended. {_resume(folder)}"), False
    last = next((line.strip() for line in reversed(log_tail(folder)) if _has_words(line)), "")
    heard = f"the last line of its log is: {last}" if last else "its log says nothing"
    message = (
        "The training stopped unexpectedly. The computer may have been restarted, or memory ran out; "
        f"{heard.rstrip('.')}. {_resume(folder)}"
    )
    return replace(state, state=runs.FAILED, message=message), False


def poll(folder: Path) -> tuple[RunState, bool]:
    """What `observed` says now; ends the processes of a cancelled run whose time is over."""
    state = read_state(folder)
    kill_at = _kill_at(folder)
    if kill_at is not None and time.time() > kill_at and is_running(folder, state):
        _kill(folder, state)
    return observed(folder, state)


def pause(folder: Path) -> None:
    """Asks a run to save a checkpoint after this step and to end; one that does not run is left alone."""
    if is_running(folder, read_state(folder)):
        (folder / runs.STOP).touch()


def cancel(folder: Path) -> None:
    """Pauses a run, which `poll` ends by force where it takes longer than half a minute; its checkpoints stay.

    A run on another computer can only be paused.
    """
    if _kill_at(folder) is None and is_running(folder, read_state(folder)):
        (folder / runs.STOP).write_text(json.dumps({"kill_at": time.time() + GRACE_SECONDS}), encoding="utf-8")


def log_tail(folder: Path, lines: int = 40) -> list[str]:
    """The last lines that the newest process printed."""
    try:
        with (folder / runs.LOG).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            top = _read_process(folder)
            file.seek(max(size - _TAIL, top.log if top is not None and top.log <= size else 0))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    # a progress bar goes back to the start of its line
    return [line.rstrip().rpartition("\r")[2] for line in text.rstrip().split("\n")][-lines:]


def _start(folder: Path, processes: int) -> None:
    """Starts the process, while nobody else may."""
    import psutil

    state = read_state(folder)
    if is_running(folder, state):
        where = "" if state.host in ("", socket.gethostname()) else f" on {state.host}"
        raise InputError(f"The run {folder.name} is running already{where}.")
    if state.state == runs.DONE:
        raise InputError(f"The run {folder.name} is done: all of its {state.steps} steps are taken.")
    (folder / runs.STOP).unlink(missing_ok=True)
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        command += ["--max-restarts", "1", "-m", "--"]  # torchrun would take --run for its own --run-path
    else:
        command += ["-m"]
    command += ["SATTrainingLib", "resume", "--run", str(folder)]
    with (folder / runs.LOG).open("ab") as log:
        before = log.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            **_apart(),
        )
    _children[process.pid] = process
    created = time.time()
    with suppress(psutil.Error):  # it ended at once, which its log explains
        created = psutil.Process(process.pid).create_time()
    top = Process(process.pid, created, socket.gethostname(), before)
    temporary = folder / f".{PROCESS}.part"
    temporary.write_text(json.dumps(asdict(top)), encoding="utf-8")
    temporary.replace(folder / PROCESS)
    take_on(folder, state, top.pid, top.started)


def environment() -> dict[str, str]:
    """In which a process finds these very libraries, and believes to be no part of another distributed run."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(_OF_TORCHRUN)}
    libraries = [Path(SATSegmentLib.__file__).resolve().parents[1], Path(__file__).resolve().parents[2]]
    paths = [*dict.fromkeys(str(path) for path in libraries), variables.get("PYTHONPATH", "")]
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    variables["PYTHONSAFEPATH"] = "1"  # no file of the current folder stands in for a package
    variables["PYTHONUNBUFFERED"] = "1"  # the log is read while it is written
    variables["PYTHONUTF8"] = "1"
    return variables


def _apart() -> dict:
    """Options of a process that ends neither with this one nor by Ctrl-C, and has no window."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def _find(process: Process):
    """The `psutil.Process` on this computer, or None where it is gone."""
    import psutil

    child = _children.get(process.pid)
    if child is not None and child.poll() is not None:
        del _children[process.pid]
    try:
        found = psutil.Process(process.pid)
        same = abs(found.create_time() - process.started) < _SAME_SECONDS
        return found if same and found.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.NoSuchProcess, ValueError):
        return None
    except psutil.AccessDenied:  # another user's, which a run of ours is not
        return None


def _kill(folder: Path, state: RunState) -> None:
    """Ends all processes of a run on this computer, the launcher first, which would start the others anew."""
    import psutil

    tops = [_read_process(folder), Process(state.pid, state.started, state.host)]
    tree: list[psutil.Process] = []
    for process in tops:
        found = _find(process) if process is not None and process.host == socket.gethostname() else None
        if found is not None:
            tree.append(found)
            with suppress(psutil.Error):
                tree += found.children(recursive=True)
    for process in tree:
        with suppress(psutil.Error):
            process.kill()


def _read_process(folder: Path) -> Process | None:
    """The process that was started for a run, however long ago."""
    try:
        return Process(**json.loads((folder / PROCESS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _kill_at(folder: Path) -> float | None:
    """When a cancelled run is to be ended; None where it was not cancelled."""
    try:
        return float(json.loads((folder / runs.STOP).read_text(encoding="utf-8"))["kill_at"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _has_words(line: str) -> bool:
    return any(character.isalnum() for character in line)  # torchrun ends with a ruler


def _resume(folder: Path) -> str:
    """What can be done now."""
    if (folder / runs.LAST).is_file():
        return "Resume it to go on from its last checkpoint."
    return "It has no checkpoint yet; resume it to begin anew."
