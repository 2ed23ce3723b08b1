"""The life of a process that works on a run: however it ends, the run's folder tells."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from SATSegmentLib.errors import Cancelled, SATError

from .. import runs
from .distributed import OtherFailed, Ranks, joined
from .log import RunLog
from .stopping import StopRequests

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def live(folder: Path, steps: int, device: str, work: Callable[[Ranks, RunLog, StopRequests], str]) -> str:
    """Does the work of a run; where torchrun started the process, together with the others.

    SIGTERM, Ctrl-C or the file `stop` ask the work to end with a checkpoint.

    Args:
        folder: Of the run, absolute.
        steps: That it has.
        device: As in `TrainingConfig`.
        work: Does it, and returns `runs.DONE` or `runs.PAUSED`.

    Returns:
        What `work` returned.

    Raises:
        Cancelled: Ctrl-C; the run is paused.
        OtherFailed: Another process failed and has told so.
        SATError: The work failed; the state says why, the last good checkpoint is there.
    """
    log = RunLog(folder, steps, writes=os.environ.get("RANK", "0") == "0")
    stop = StopRequests(folder)
    try:
        with joined(device) as ranks, stop:
            state = work(ranks, log, stop)
    except OtherFailed:
        raise
    except KeyboardInterrupt:  # a second one
        log.end(log.step, runs.PAUSED)
        stop.done()
        raise Cancelled from None
    except Exception as error:
        if log.someone_failed():
            raise OtherFailed from error
        told = _explained(error, folder)
        log.fail(str(told or f"The training failed: {type(error).__name__} {error}"))
        if told is None:
            raise
        raise told from error
    log.end(log.step, state)
    if state == runs.PAUSED:
        stop.done()
        if stop.interrupted:
            raise Cancelled
    return state


def _explained(error: Exception, folder: Path) -> SATError | None:
    """An error as a sentence that says what to do, or None where there is none."""
    if isinstance(error, SATError):
        return error
    if isinstance(error, OSError):
        if error.errno in _DISK_FULL:
            return SATError(
                f"There is no space left in {folder}; free some, then resume the run: its checkpoints stay."
            )
        return SATError(
            f"{error.filename or folder} cannot be read or written ({error.strerror or error}); resume then."
        )
    if isinstance(error, RuntimeError) and _is_connection(error):
        return SATError(
            "Another process of the run has ended unexpectedly, or cannot be reached; resume the run, which goes on "
            "from its last checkpoint."
        )
    return None


def _is_connection(error: RuntimeError) -> bool:
    import torch.distributed as dist

    return isinstance(error, dist.DistError) or "gloo" in str(error).lower() or "connection" in str(error).lower()
