"""What the panel does, apart from its widgets: an image is encoded, terms are asked, segments arrive one by one.

Nothing here waits: requests go to the worker, and `poll`, which the panel's timer calls, brings what came back.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import __version__
from ..anatomy.codes import CodedEntry
from ..errors import InputError, SATError
from ..imaging import Mask, Volume
from ..mrml.regions import roi_box
from ..mrml.segments import SegmentWriter
from ..mrml.volumes import volume_of
from ..output import Segment, measure
from ..worker.client import Worker, WorkerError, image_message, mask_of_result

IDLE, STARTING, ENCODING, SEGMENTING = "idle", "starting", "encoding", "segmenting"
_KEPT_PREVIEWS = 40


@dataclass(frozen=True)
class Asked:
    """A term to segment: its name as a segment, the text for the model, its codes and colour."""

    name: str
    prompt: str
    entry: CodedEntry


@dataclass(frozen=True)
class ImageSettings:
    """What is encoded, and how.

    Attributes:
        volume_node: vtkMRMLScalarVolumeNode.
        modality: "ct", "mri", "pet", "us", or None to guess.
        model: Name of an installed model.
        device: As the worker knows it, or "auto".
        roi_node: vtkMRMLMarkupsROINode, or None for the whole volume.
    """

    volume_node: object
    modality: str | None
    model: str
    device: str = "auto"
    roi_node: object = None

    def key(self) -> tuple:
        """The same as long as the image's features are the same; cheap to ask."""
        node = self.volume_node
        matrix = _world_matrix(node)
        box = None if self.roi_node is None else tuple(round(x, 3) for x in roi_box(self.roi_node))
        changed = node.GetImageData().GetMTime() if node.GetImageData() else 0
        return node.GetID(), changed, matrix, self.modality, self.model, self.device, box


@dataclass
class Row:
    """One line of the results.

    Attributes:
        segment_id: In the segmentation, empty where the structure was not found.
        seconds: That it took after the one before.
        center: RAS millimetres of the middle of its bounding box, or None.
    """

    name: str
    segment_id: str
    voxels: int
    volume_ml: float
    mean: float | None
    confidence: float
    touches_border: bool
    seconds: float
    color: tuple[int, int, int]
    center: tuple[float, float, float] | None
    measured: dict = field(repr=False, default_factory=dict)


@dataclass
class _Run:
    """What one press of Segment put, for undo."""

    writer: SegmentWriter
    rows: list[Row] = field(default_factory=list)


class Session:
    """Runs the worker for one panel.

    Args:
        worker: Its client; started when first needed.
        changed: Called after anything a panel shows has changed.
    """

    def __init__(self, worker: Worker, changed: Callable[[], None] = lambda: None) -> None:
        self.worker = worker
        self.stage = IDLE
        self.progress: tuple[int, int] | None = None
        self.error: SATError | None = None
        self.warning = ""  # of the segmentation written to
        self.rows: list[Row] = []
        self.seconds: dict[str, float] = {}
        self._changed = changed
        self._folder: Path | None = None
        self._image_file: Path | None = None
        self._writing = ThreadPoolExecutor(1, "SAT-image")
        self._handing: tuple[Future, Callable] | None = None  # the image as it is written, and what sends it then
        self._key: tuple | None = None
        self._pid: int | None = None  # of the process that holds the image
        self._image: str = ""
        self._volume: Volume | None = None
        self._request: int | None = None
        self._stage_start = 0.0
        self._waiting: list[Callable[[], None]] = []
        self._writer: SegmentWriter | None = None
        self._runs: list[_Run] = []
        self._previews: OrderedDict[tuple, Mask] = OrderedDict()
        self._previewing: int | None = None

    @property
    def busy(self) -> bool:
        """Whether an image is being encoded or terms are being segmented."""
        return self.stage != IDLE

    @property
    def seconds_left(self) -> float | None:
        """Of the stage, as far as its progress tells; None before it does."""
        if self.progress is None or not self.progress[0] or not self.progress[1]:
            return None
        done, total = self.progress
        elapsed = time.monotonic() - self._stage_start
        return elapsed / done * max(0, total - done) if elapsed > 1 else None

    def is_ready(self, settings: ImageSettings) -> bool:
        """Whether the image's features are there, so that a term takes a moment only."""
        held = self._key is not None and self.worker.state in ("ready", "busy")
        return held and self.worker.info.get("pid") == self._pid and self._key == settings.key()

    def poll(self) -> None:
        """Brings what the worker has sent; to be called often."""
        if self._handing is not None and self._handing[0].done():
            (written, send), self._handing = self._handing, None
            self._guarded(lambda: send(*written.result()))
        self.worker.poll()

    def encode(self, settings: ImageSettings, then: Callable[[], None] | None = None) -> None:
        """Encodes the image of `settings` unless that is done, then calls `then`.

        Raises:
            InputError: The volume or region cannot be used, or something is running.
        """
        self._refuse_busy()
        self.error = None
        if self.is_ready(settings):
            if then:
                then()
            return
        volume = volume_of(settings.volume_node, settings.modality)
        key = settings.key()
        place = None if self.worker.remote else self._place() / f"image-{time.monotonic_ns()}.npy"
        params = {
            "model": settings.model,
            "device": settings.device,
            "precision": "auto",
            "roi": None if settings.roi_node is None else list(roi_box(settings.roi_node)),
            "skip_air": False,
        }

        def done(result: dict) -> None:
            self._key, self._image, self._volume = key, result["key"], volume
            self._pid = self.worker.info.get("pid")
            self.seconds["encode"] = result["seconds"]
            self._previews.clear()
            self._end()
            if then:
                self._guarded(then)

        def send(image: dict, binary) -> None:
            self._request = self.worker.request(
                "setImage",
                {"image": image, **params},
                binary,
                on_progress=self._progress,
                on_done=done,
                on_error=self._failed,
            )

        self._key = None
        self._start(STARTING if self.worker.state in ("stopped", "failed") else ENCODING)
        self._image_file = place
        self.worker.start()
        # a large scan takes a second to write, which Slicer need not wait for
        self._handing = self._writing.submit(image_message, volume, place), send
        self._changed()

    def segment(
        self,
        settings: ImageSettings,
        asked: Sequence[Asked],
        segmentation_node,
        replace: dict[str, str] | None = None,
    ) -> None:
        """Segments terms into a segmentation, as one step that `undo` takes back; encodes the image first if needed.

        Args:
            settings: The image.
            asked: The terms, in order.
            segmentation_node: vtkMRMLSegmentationNode.
            replace: Ids of the segments that terms replace, by the term's name; other terms get new segments.

        Raises:
            InputError: The volume or region cannot be used, there is nothing to do, or something is running.
        """
        if not asked:
            raise InputError("Choose at least one term first.")
        self._refuse_busy()
        asked = list(asked)
        self.seconds = {}
        self.encode(settings, lambda: self._predict(settings, asked, segmentation_node, replace or {}))

    def preview(self, asked: Asked, show: Callable[[Mask], None]) -> None:
        """Calls `show` with the term's mask on the image that is ready; does nothing while something runs."""
        key = (self._key, asked.prompt)
        if self._key is None or self.busy:
            return
        if key in self._previews:
            self._previews.move_to_end(key)
            show(self._previews[key])
            return
        volume = self._volume

        def result(values: dict, binary: bytes | None) -> None:
            self._previews[key] = mask = mask_of_result(values, binary, volume.shape)
            while len(self._previews) > _KEPT_PREVIEWS:
                self._previews.popitem(last=False)
            if self._previewing == values["id"]:
                show(mask)

        self.stop_preview()
        self._previewing = self.worker.request(
            "predict", self._asking([asked]), on_result=result, on_error=self._preview_failed
        )

    def stop_preview(self) -> None:
        """Nothing more is wanted of the preview that is on its way."""
        if self._previewing is not None:
            self.worker.cancel(self._previewing)
            self._previewing = None

    def cancel(self) -> None:
        """Stops what runs; segments that have arrived stay."""
        if self._handing is not None:
            self._handing[0].add_done_callback(lambda _written, file=self._image_file: _remove(file))
            self._handing = None
            self._end()
        elif self._request is not None:
            self.worker.cancel(self._request)

    def undo(self) -> None:
        """Takes back the segments of the last run.

        Raises:
            InputError: Their segmentation is no longer in the scene.
        """
        if self.can_undo:
            run = self._runs.pop()
            self.rows = [row for row in self.rows if row not in run.rows]
            run.writer.undo()
            self._changed()

    @property
    def edited(self) -> list[str]:
        """Names of the segments of the last run whose voxels or name are no longer as they were put."""
        if not self.can_undo:
            return []
        writer, rows = self._runs[-1].writer, self._runs[-1].rows
        segmentation = writer.node.GetSegmentation()
        found = [(row, segmentation.GetSegment(row.segment_id)) for row in rows]
        return [
            row.name
            for row, segment in found
            if segment and (segment.GetName() != row.name or writer.voxels(row.segment_id) != row.voxels)
        ]

    @property
    def can_undo(self) -> bool:
        """Whether there is a run to take back."""
        return bool(self._runs) and not self.busy

    def forget(self) -> None:
        """Of the scene: its nodes are gone. A run is cancelled; what it still brings goes nowhere."""
        self.forget_output()
        self._key = self._volume = None
        self._previews.clear()
        self._changed()

    def forget_output(self) -> None:
        """The segmentation is gone or another one is used; the image stays encoded."""
        self.cancel()
        self.stop_preview()
        self._writer = None
        self._runs.clear()
        self.rows, self.warning = [], ""
        self._changed()

    def uses(self, node) -> bool:
        """Whether a run writes to a segmentation node now, or could be taken back there."""
        writers = [run.writer for run in self._runs] + ([self._writer] if self._writer else [])
        return any(writer.node is node for writer in writers)

    def close(self) -> None:
        """Stops the worker and removes what was written for it."""
        self._writer = self._handing = None
        self._writing.shutdown()
        self.worker.stop()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _predict(self, settings: ImageSettings, asked: list[Asked], segmentation_node, replace) -> None:
        volume = self._volume
        writer = self._writer = SegmentWriter(segmentation_node, settings.volume_node)
        self.warning = writer.warning or ""
        writer.begin()
        run = _Run(writer)
        self._runs.append(run)
        start = time.monotonic()
        told = 0.0
        of_prompt: dict[str, list[Asked]] = {}
        for term in asked:
            of_prompt.setdefault(term.prompt, []).append(term)

        def result(values: dict, binary: bytes | None) -> None:
            nonlocal told
            if self._writer is not writer:
                return  # the scene was closed, or the node removed
            own, told = values["seconds"] - told, values["seconds"]
            mask = mask_of_result(values, binary, volume.shape)
            for term in of_prompt[values["prompt"]]:
                tags = {"SlicerSAT.Model": settings.model, "SlicerSAT.Version": __version__}
                tags["SlicerSAT.Confidence"] = f"{values['confidence']:.3f}"
                segment_id = writer.put(term.name, term.entry, mask, tags, replace.get(term.name))
                row = _row(volume, term, mask, values["confidence"], own, segment_id)
                self.rows = [other for other in self.rows if other.segment_id != segment_id] + [row]
                run.rows.append(row)
            self._changed()

        def done(_: dict) -> None:
            self.seconds["segment"] = time.monotonic() - start
            self._finish_writing(writer)
            self._end()

        self._start(SEGMENTING)
        prompts = [terms[0] for terms in of_prompt.values()]
        self._request = self.worker.request(
            "predict",
            self._asking(prompts),
            on_progress=self._progress,
            on_result=lambda values, binary: self._guarded(lambda: result(values, binary)),
            on_done=done,
            on_error=self._failed,
        )
        self._changed()

    def _asking(self, asked: Sequence[Asked]) -> dict:
        folder = None if self.worker.remote else str(self._place())
        return {"key": self._image, "prompts": [term.prompt for term in asked], "folder": folder}

    def _place(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="sat-panel-"))
        return self._folder

    def _refuse_busy(self) -> None:
        if self.busy:
            raise InputError("Wait until the run has ended, or cancel it first.")

    def _start(self, stage: str) -> None:
        self.stage, self.progress, self._stage_start = stage, None, time.monotonic()

    def _progress(self, stage: str, done: int, total: int) -> None:
        if stage == "load":
            return  # of a model: no telling how long
        if stage == "encode" and self.stage == STARTING:
            self._start(ENCODING)
        if self.progress is None:
            self._stage_start = time.monotonic()
        self.progress = (done, total)
        self._changed()

    def _guarded(self, step: Callable[[], None]) -> None:
        """A step of a run whose nodes may be gone or changed by now: what is wrong ends the run, in words."""
        try:
            step()
        except SATError as error:
            self.error = error
            if self._request is not None and self.busy:
                self.worker.cancel(self._request)
            else:
                self._end()

    def _preview_failed(self, error: WorkerError) -> None:
        if error.kind in ("died", "gone"):
            self._key = None

    def _failed(self, error: WorkerError) -> None:
        if self._writer is not None:
            self._finish_writing(self._writer)
        if error.kind != "cancelled":
            self.error = error
        if error.kind in ("died", "gone") or self.worker.state in ("stopped", "starting", "failed"):
            self._key = None  # a new process holds no image
        self._end()

    def _finish_writing(self, writer: SegmentWriter) -> None:
        if self._writer is writer:
            writer.finish()
            self._writer = None
            if self._runs and not self._runs[-1].rows:
                self._runs.pop()  # nothing to take back

    def _end(self) -> None:
        self.stage, self.progress, self._request = IDLE, None, None
        if self._handing is None:
            _remove(self._image_file)  # the worker holds it in its own form, or does not want it
        self._changed()


def _remove(file: Path | None) -> None:
    if file is not None:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _row(volume: Volume, term: Asked, mask: Mask, confidence: float, seconds: float, segment_id: str) -> Row:
    measured = measure(volume, Segment(term.name, mask, term.entry), confidence)
    center = None
    if mask.voxels:
        middle = np.add(mask.start, np.divide(np.subtract(mask.block.shape, 1), 2))
        center = tuple(float(x) for x in volume.affine[:3, :3] @ middle + volume.affine[:3, 3])
    return Row(
        term.name,
        segment_id,
        mask.voxels,
        measured["volume_ml"],
        measured["mean"],
        confidence,
        measured["touches_border"],
        seconds,
        term.entry.color,
        center,
        measured,
    )


def _world_matrix(node) -> tuple[float, ...]:
    """IJK to world, as numbers that compare; of a non-linear transform, the node's own matrix."""
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    transform = node.GetParentTransformNode()
    if transform is not None and transform.IsTransformToWorldLinear():
        to_world = vtk.vtkMatrix4x4()
        transform.GetMatrixTransformToWorld(to_world)
        vtk.vtkMatrix4x4.Multiply4x4(to_world, matrix, matrix)
    return tuple(round(matrix.GetElement(i, j), 6) for i in range(3) for j in range(4))
