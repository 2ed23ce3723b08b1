"""What a run tells while it goes: its state, its events, TensorBoard, and lines of text."""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil

from .. import runs

_STATE_SECONDS = 1.0  # between states that differ in their step only


class RunLog:
    """Writes for a run's first process; the others' says nothing.

    Args:
        folder: Of the run.
        steps: Of the whole run.
        writes: Whether to write at all.
    """

    def __init__(self, folder: Path, steps: int, writes: bool) -> None:
        self.folder = folder
        self.writes = writes
        process = psutil.Process(os.getpid())
        self._state = runs.RunState(
            steps=steps, pid=process.pid, started=process.create_time(), host=socket.gethostname()
        )
        self._began = time.time()
        self._prepared = 0.0
        self._validated: set[int] = set()
        self._board = None
        self.step = runs.read_state(folder).step
        if writes:
            self._cut_unfinished_line()

    def preparing(self, done: int, total: int) -> None:
        """Cases prepared, and of how many."""
        now = time.monotonic()
        if done == total or now - self._prepared > _STATE_SECONDS:
            self._prepared = now
            self.state(runs.PREPARING, self.step)
            self.event("prepare", done=done, total=total)
            self.say(f"prepared {done} of {total} cases")

    def begin(self, step: int, **values: object) -> None:
        """The run starts, or goes on, at a step; `values` are told with it."""
        if not self.writes:
            return
        events = runs.current([*runs.read_events(self.folder)[0], {"event": "start", "step": step}])
        self._validated = {event["step"] for event in events if event["event"] == "validation"}
        self._open_board(step)
        self.event("start", step=step, steps=self._state.steps, **values)

    def state(self, state: str, step: int, message: str = "") -> None:
        """What the process does now."""
        self.step = step
        now = replace(self._state, state=state, step=step, message=message, updated=time.time())
        same = (now.state, now.message) == (self._state.state, self._state.message)
        if self.writes and not (same and now.updated - self._state.updated < _STATE_SECONDS):
            runs.write_state(self.folder, now)
            self._state = now

    def event(self, kind: str, **values: object) -> None:
        """Adds an event, see `runs`."""
        if self.writes:
            with (self.folder / runs.EVENTS).open("a", encoding="utf-8") as file:
                file.write(json.dumps({"event": kind, "time": time.time(), **values}) + "\n")

    def say(self, text: str) -> None:
        """A line for people."""
        if self.writes:
            print(text, flush=True)

    def steps(self, step: int, **values: object) -> None:
        """The means over the steps since the event before; see `runs` for `values`."""
        self.event("step", step=step, **values)
        self.say(
            f"step {step}/{self._state.steps}  loss {values['loss']:.4f}  rate {values['learning_rate']:.2g}  "
            f"{values['seconds_a_step']:.2f} s a step"
        )
        scalars = {f"loss/{name}": loss for name, loss in values["losses"].items()}
        scalars |= {name: values[name] for name in ("loss", "learning_rate", "seconds_a_step", "memory_gb")}
        self._scalars(step, scalars)

    def validation(self, step: int, **values: object) -> None:
        """The result of a validation; one that was told already, before the process ended, is not told again."""
        self.say(f"validation after {step} steps: Dice {values['dice']:.4f}, NSD {values['nsd']:.4f}")
        if step in self._validated:
            return
        self._validated.add(step)
        self.event("validation", step=step, **values)
        scalars = {f"validation/{name}": values[name] for name in ("dice", "nsd")}
        scalars |= {f"dice {term}": score["dice"] for term, score in values["terms"].items()}
        self._scalars(step, scalars)

    def end(self, step: int, state: str, message: str = "") -> None:
        """The run has ended for now."""
        self.state(state, step, message)
        self.event("end", step=step, reason=state, message=message)
        if self._board is not None:
            self._board.close()

    def fail(self, message: str) -> None:
        """This process has failed, the run's first or another; told as far as a full disk lets it."""
        self.writes = True
        for tell in (
            lambda: self.state(runs.FAILED, self.step, message),
            lambda: self.event("end", step=self.step, reason=runs.FAILED, message=message),
        ):
            with suppress(OSError):
                tell()

    def someone_failed(self) -> bool:
        """Whether another process of the run has told already that it failed."""
        state = runs.read_state(self.folder)
        return state.state == runs.FAILED and state.updated > self._began

    def _cut_unfinished_line(self) -> None:
        """Of a process that was killed, or found the disk full, while it wrote an event."""
        path = self.folder / runs.EVENTS
        length = runs.read_events(self.folder)[1]
        if path.is_file() and path.stat().st_size > length:
            os.truncate(path, length)

    def _open_board(self, step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.say("The package tensorboard is not installed: the curves are in events.jsonl only.")
            return
        self._board = SummaryWriter(self.folder / runs.TENSORBOARD, purge_step=step + 1)

    def _scalars(self, step: int, scalars: dict[str, float]) -> None:
        if self._board is None:
            return
        for name, value in scalars.items():
            self._board.add_scalar(name, value, step)
        self._board.flush()
