"""A batch that a window started: scans of a folder, or volumes of the scene."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from slicer.i18n import tr as _

from ..batch.process import BatchProcess
from ..errors import SATError
from ..imaging import Volume
from ..mrml.volumes import volume_of
from ..worker.temporary import own_folder
from .asked import Asked
from .many_scene import add_results, read_results, write_volume
from .outcome import Cleaning
from .wording import in_panel

_FLAGS = "--largest-component", "--fill-holes"  # of what `Cleaning` says


class ManyRun:
    """Works as it is polled; nothing of it waits.

    Attributes:
        total, done: Scans; what was done before counts.
        failed: Names and sentences of those that failed.
        stage: What it does, in words.
        error: Why all of it failed, or None.
        overview: The page of all, once it is there.
        busy: Whether it goes on.

    Args:
        asked: The terms, by the names they are asked for.
        model, device, cleaning: As the panel has them.
    """

    def __init__(self, asked: Mapping[str, Asked], model: str, device: str, cleaning: Cleaning) -> None:
        self.total, self.done = 0, 0
        self.failed: list[tuple[str, str]] = []
        self.stage = _("Starting …")
        self.error: SATError | None = None
        self.overview: Path | None = None
        self.busy = True
        self._asked, self._model, self._device, self._cleaning = asked, model, device, cleaning
        self._began: tuple[float, int] | None = None  # when, and what was done then
        self._last = 0.0  # when one was done
        self._hidden = False  # any of the results
        self._nodes: dict[str, object] = {}
        self._modalities: dict[str, str] = {}
        self._to_write: deque[str] = deque()
        self._to_read: deque[str] = deque()
        self._work: _Work | None = None
        self._process: BatchProcess | None = None
        self._own: Path | None = None  # a temporary folder
        self._source = self._output = Path()

    def start_folder(self, source: Path, output: Path) -> None:
        """Begins with the scans of a folder; results stay in another one."""
        self._source, self._output = source, output
        self._start_process()

    def start_scene(self, nodes: Sequence) -> None:
        """Begins with volume nodes; each gets a new segmentation."""
        self._own = own_folder("sat-panel")
        self._source, self._output = self._own / "cases.jsonl", self._own / "results"
        self.total = len(nodes)
        self.stage = _("Writing the volumes to files …")
        self._nodes = {f"{number:04}": node for number, node in enumerate(nodes)}
        self._to_write.extend(self._nodes)

    @property
    def of_folder(self) -> bool:
        """Whether it is of a folder's scans."""
        return self._own is None

    @property
    def seconds_left(self) -> float | None:
        """About; None where it cannot be told yet."""
        if self._began is None or self.done <= self._began[1]:
            return None
        start, before = self._began
        expected = (self._last - start) / (self.done - before) * (self.total - self.done)
        return max(0.0, expected - (time.monotonic() - self._last))

    def name_of(self, case_id: str) -> str:
        """The volume's name, or a folder's scan's own."""
        return self._nodes[case_id].GetName() if case_id in self._nodes else case_id

    def cancel(self) -> None:
        """Stops it; what is done stays."""
        if self.busy:
            self._end()
            self.stage = _("Cancelled. What was done until then stays.")

    def close(self) -> None:
        """Stops it and removes its temporary files, the page of volumes of the scene among them."""
        self.cancel()
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            self.overview = None

    def poll(self) -> bool:
        """Goes on; whether anything has changed."""
        if not self.busy or (self._work is not None and self._work.is_alive()):
            return False
        try:
            return self._step()
        except (SATError, OSError) as error:
            self.error = error if isinstance(error, SATError) else SATError(str(error))
            self._end()
            return True

    def _step(self) -> bool:
        if self._work is not None:
            work, self._work = self._work, None
            work.end()
        elif self._to_write:
            self._write(self._to_write.popleft())
        elif self._process is None:
            self._write_list()
            self._start_process()
        elif events := self._process.events():
            for event in events:
                self._heard(event)
        elif self._to_read:
            self._read(self._to_read.popleft())
        elif self._process.ended:
            self._ended()
        else:
            return False
        return True

    def _write(self, case_id: str) -> None:
        node = self._nodes[case_id]
        try:
            volume = volume_of(node)
            volume = Volume(np.array(volume.array), volume.affine, volume.modality, volume.name)
        except SATError as error:
            self._failed(case_id, str(error))
            return
        self._modalities[case_id] = volume.modality
        path = self._own / f"{case_id}.nii"
        self._work = _Work(lambda: write_volume(volume, path), lambda _nothing: None)

    def _write_list(self) -> None:
        rows = [{"id": i, "image": f"{i}.nii", "modality": modality} for i, modality in self._modalities.items()]
        if not rows:
            raise SATError(_("None of the volumes can be segmented."))
        self._source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def _start_process(self) -> None:
        arguments = ["--cases", str(self._source), "--output", str(self._output), "--model", self._model]
        arguments += [flag for flag, wanted in zip(_FLAGS, self._cleaning, strict=True) if wanted]
        arguments += ["--device", self._device, "--terms", *self._asked]
        self._process = BatchProcess(arguments)
        self.stage = _("Starting the model …")

    def _heard(self, event: dict) -> None:
        if event["event"] == "plan":
            self.total, self.done = event["cases"] + len(self.failed), len(event["kept"]) + len(self.failed)
        elif event["event"] == "ready":
            self._began = time.monotonic(), self.done
            self.stage = _("Segmenting …")
        elif event["event"] == "case":
            self._last = time.monotonic()
            if event["error"]:
                self._failed(event["id"], event["error"])
            else:
                self.done += 1
                if self._nodes:
                    self._to_read.append(event["id"])
        elif event["event"] == "end":
            self.overview = Path(event["overview"])

    def _read(self, case_id: str) -> None:
        self._work = _Work(lambda: read_results(self._output, case_id), lambda found: self._add(case_id, found))

    def _add(self, case_id: str, found: list) -> None:
        node = self._nodes[case_id]
        try:
            if node.GetScene() is None:
                raise SATError(_("It is no longer in the scene."))
            self._hidden |= not add_results(node, found, self._asked, self._model).GetDisplayVisibility()
        except SATError as error:
            self.failed.append((self.name_of(case_id), str(error)))

    def _failed(self, case_id: str, sentence: str) -> None:
        self.done += 1
        self.failed.append((self.name_of(case_id), sentence))

    def _ended(self) -> None:
        if self.overview is None and (error := self._process.error):  # it did not come to its end
            self.error = SATError(in_panel(str(error)))
            self.error.details = in_panel(error.details)  # its last lines say the same
        self._end()
        if self.error:
            self.stage = ""
            return
        count = self.total - len(self.failed)
        self.stage = _("Volumes done: {count} of {total}.").format(count=count, total=self.total)
        if self._hidden:
            self.stage += " " + _("Results of volumes that no view shows are hidden; show them in the Data module.")

    def _end(self) -> None:
        self.busy = False
        self._work = None
        if self._process is not None:
            self._process.kill()


class _Work(threading.Thread):
    """Something for which a window does not wait.

    Args:
        work: Called in the thread.
        done: Called by `end` with its result.
    """

    def __init__(self, work: Callable[[], object], done: Callable) -> None:
        super().__init__(daemon=True)
        self._work, self._done = work, done
        self._result: object = None
        self._error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._work()
        except Exception as error:
            self._error = error

    def end(self) -> None:
        """Brings the result, or raises what went wrong."""
        if self._error is not None:
            raise self._error
        self._done(self._result)
