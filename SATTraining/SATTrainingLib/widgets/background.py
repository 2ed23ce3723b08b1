"""Long work beside the window: one job after the other in a thread, heard of when the window asks."""

from __future__ import annotations

import queue
import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from SATSegmentLib.errors import Cancelled, SATError


class Job:
    """What the function of a job is given.

    Attributes:
        title: What the user reads while it works.
        active: Whether its end is still to come; not so once it was cancelled.
    """

    def __init__(self, title: str, tell: Callable[[str, object], None]) -> None:
        self.title = title
        self.active = True
        self._tell = tell
        self._cancel = threading.Event()

    def progress(self, done: int, total: int) -> None:
        """Says how far it is."""
        self._tell("progress", (done, total))

    def part(self, value: object) -> None:
        """Hands over a part of the result before the end."""
        self._tell("part", value)

    def cancelled(self) -> bool:
        """Whether it is to stop."""
        return self._cancel.is_set()

    def cancel(self) -> None:
        """Asks it to stop; nothing more is heard of it."""
        self.active = False
        self._cancel.set()


@dataclass
class _Asked:
    job: Job
    work: Callable[[Job], object]
    done: Callable[[object], None]
    failed: Callable[[SATError], None]
    part: Callable[[object], None] | None
    messages: queue.SimpleQueue = field(default_factory=queue.SimpleQueue)
    thread: threading.Thread | None = None


class Background:
    """Works off jobs; callbacks are called from `poll` only.

    Args:
        changed: Called when what `title` and `progress` say has changed.
    """

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._changed = changed
        self._jobs: deque[_Asked] = deque()
        self.progress: tuple[int, int] | None = None

    @property
    def title(self) -> str:
        """Of the job that is being worked on; empty where there is none."""
        return self._jobs[0].job.title if self._jobs else ""

    def start(
        self,
        title: str,
        work: Callable[[Job], object],
        done: Callable[[object], None] = lambda result: None,
        failed: Callable[[SATError], None] = lambda error: None,
        part: Callable[[object], None] | None = None,
    ) -> Job:
        """Puts a job at the end of the line.

        Args:
            title: What the user reads.
            work: The work, in a thread; its result goes to `done`. It must not touch the window or the scene.
            done, failed: Called at its end, from `poll`; neither where it was cancelled.
            part: Called with what `Job.part` hands over.
        """
        asked = _Asked(None, work, done, failed, part)
        asked.job = Job(title, lambda kind, value: asked.messages.put((kind, value)))
        self._jobs.append(asked)
        self._begin()
        self._changed()
        return asked.job

    def cancel(self) -> None:
        """Stops the job that is being worked on, and drops those in line."""
        for asked in self._jobs:
            asked.job.cancel()

    def poll(self) -> None:
        """Brings what was told; to be called often."""
        while self._jobs:
            asked = self._jobs[0]
            try:
                kind, value = asked.messages.get_nowait()
            except queue.Empty:
                return
            if kind == "progress":
                self.progress = value
                self._changed()
            elif kind == "part":
                if asked.part is not None and not asked.job.cancelled():
                    asked.part(value)
            else:
                self._jobs.popleft()
                self.progress = None
                asked.job.active = False
                try:
                    if not asked.job.cancelled():
                        (asked.done if kind == "done" else asked.failed)(value)
                finally:
                    self._begin()  # the next one finds what this one has brought
                    self._changed()

    def close(self) -> None:
        """Stops everything; what works ends by itself."""
        self.cancel()
        self._jobs.clear()

    def _begin(self) -> None:
        while self._jobs and self._jobs[0].thread is None and self._jobs[0].job.cancelled():
            self._jobs.popleft()
        if self._jobs and self._jobs[0].thread is None:
            asked = self._jobs[0]
            asked.thread = threading.Thread(target=_run, args=(asked,), daemon=True, name="SATTraining")
            asked.thread.start()


def _run(asked: _Asked) -> None:
    try:
        result = asked.work(asked.job)
    except Cancelled:
        asked.job.cancel()
        asked.messages.put(("done", None))
    except SATError as error:
        asked.messages.put(("failed", error))
    except Exception as error:
        wrapped = SATError(f"{asked.job.title} went wrong: {error or type(error).__name__}.")
        wrapped.details = traceback.format_exc()
        asked.messages.put(("failed", wrapped))
    else:
        asked.messages.put(("done", result))
