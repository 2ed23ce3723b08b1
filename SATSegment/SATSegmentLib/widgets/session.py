"""What the panel does, apart from its widgets: an image is encoded, terms are asked, segments arrive one by one.

Nothing here waits: requests go to the worker, and `poll`, which the panel's timer calls, brings what came back.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from .. import __version__
from ..errors import InputError, SATError
from ..imaging import Mask, Volume
from ..mrml.regions import roi_box
from ..mrml.segments import CONFIDENCE_TAG, MODEL_TAG, VERSION_TAG, SegmentWriter
from ..mrml.translation import tr as _
from ..mrml.volumes import volume_of
from ..worker.client import Worker, WorkerError, image_message, mask_of_result
from ..worker.temporary import own_folder, sweep
from .asked import Asked, ImageSettings
from .outcome import NO_CLEANING, Cleaning, Outcome, edited
from .previews import Previews
from .rows import Row
from .wording import in_panel

IDLE, STARTING, ENCODING, SEGMENTING = "idle", "starting", "encoding", "segmenting"
_NOTHING_KEPT = {"memory": 0, "disk": 0}


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
        self.seconds: dict[str, float] = {}
        self._changed = changed
        self._folder: Path | None = None
        self._image_file: Path | None = None
        self._writing = ThreadPoolExecutor(1, "SAT-image")
        self._handing: tuple[Future, Callable] | None = None  # the image as it is written, and what sends it then
        self._outcome = Outcome(lambda: self._changed())
        self._over = False  # the run is, but for what is not measured yet
        self._key: tuple | None = None
        self._pid: int | None = None  # of the process that holds the image
        self._kept = _NOTHING_KEPT
        self._image: str = ""
        self._volume: Volume | None = None
        self._request: int | None = None
        self._stage_start = 0.0
        self._writer: SegmentWriter | None = None
        self._previews = Previews(worker, self._image_gone)
        self._writing.submit(sweep)

    # State

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

    @property
    def kept(self) -> dict[str, int]:
        """Bytes of encoded images that the worker keeps: `memory`, `disk`."""
        return self._kept if self._is_held() else _NOTHING_KEPT

    def is_ready(self, settings: ImageSettings) -> bool:
        """Whether the image's features are there, so that a term takes a moment only."""
        return self._key is not None and self._is_held() and self._key == settings.key()

    def _is_held(self) -> bool:
        """Whether the process that the last image was given to runs."""
        return self.worker.state in ("ready", "busy") and self.worker.info.get("pid") == self._pid

    def poll(self) -> None:
        """Brings what the worker has sent; to be called often."""
        if self._handing is not None and self._handing[0].done():
            (written, send), self._handing = self._handing, None
            self._guarded(lambda: send(*written.result()))
        self.worker.poll()
        self._outcome.poll()
        if self._key is not None and not self._is_held():  # the process ended while nothing was asked of it
            self._image_gone()
            self._changed()
        if self._over:
            self._end_in_turn()
            if not self.busy:
                self._changed()

    # The image

    def encode(self, settings: ImageSettings) -> None:
        """Encodes the image of `settings` unless that is done.

        Raises:
            InputError: The volume or region cannot be used, or something is running.
        """
        self._refuse_busy()
        self.error = None
        if not self.is_ready(settings):
            self._encode(settings, volume_of(settings.volume_node, settings.modality))

    def clear_cache(self, done: Callable[[int], None], failed: Callable[[SATError], None]) -> None:
        """Frees what is kept of encoded images; calls `done` with the bytes.

        Raises:
            InputError: Something is running.
        """
        self._refuse_busy()

        def cleared(answer: dict) -> None:
            self._kept = _NOTHING_KEPT
            self._image_gone()
            self._changed()
            done(answer["freed"])

        self.worker.request("clearCache", on_done=cleared, on_error=failed)

    def _encode(self, settings: ImageSettings, volume: Volume, then: Callable[[], None] | None = None) -> None:
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
            self._kept = result.get("kept", _NOTHING_KEPT)
            self.seconds["encode"] = result["seconds"]
            self._idle()
            if then:
                self._guarded(then)
            else:
                self._changed()

        def send(image: dict, binary) -> None:
            self._request = self.worker.request(
                "setImage",
                {"image": image, **params},
                binary,
                on_progress=self._progress,
                on_done=done,
                on_error=self._failed,
            )

        self._image_gone()
        self._start(STARTING if self.worker.state in ("stopped", "starting", "failed") else ENCODING)
        self._image_file = place
        self.worker.start()
        # a large scan takes a second to write, which Slicer need not wait for
        self._handing = self._writing.submit(image_message, volume, place), send
        self._changed()

    def _image_gone(self) -> None:
        self._key = None
        self._previews.forget()

    # Terms

    def segment(
        self,
        settings: ImageSettings,
        asked: Sequence[Asked],
        segmentation_node,
        replace: dict[str, str] | None = None,
        cleaning: Cleaning = NO_CLEANING,
    ) -> None:
        """Segments terms into a segmentation, as one step that `undo` takes back; encodes the image first if needed.

        Free text that the model's text encoder is missing for is told before the image is encoded.

        Args:
            settings: The image.
            asked: The terms, in order.
            segmentation_node: vtkMRMLSegmentationNode.
            replace: Ids of the segments that terms replace, by the term's name; other terms get new segments.
            cleaning: What is done to the masks first.

        Raises:
            InputError: The volume or region cannot be used, there is nothing to do, or something is running.
        """
        if not asked:
            raise InputError(_("Choose at least one term first."))
        self._refuse_busy()
        asked, replace = list(asked), replace or {}
        ready = self.is_ready(settings)
        volume = self._volume if ready else volume_of(settings.volume_node, settings.modality)
        settings.key()  # what is wrong with the region is said at once
        self.error, self.seconds = None, {}
        self._previews.stop()
        self.show_output(segmentation_node)

        def begin() -> None:
            self._with_image(
                settings, volume, lambda: self._predict(settings, asked, segmentation_node, replace, cleaning)
            )

        free = [term for term in asked if term.free]
        if free:
            self._check_texts(settings, volume, free, begin)
        else:
            begin()

    def _with_image(self, settings: ImageSettings, volume: Volume, then: Callable[[], None]) -> None:
        if self.is_ready(settings):
            then()
        else:
            self._encode(settings, volume, then)

    def _check_texts(
        self, settings: ImageSettings, volume: Volume, free: list[Asked], then: Callable[[], None]
    ) -> None:
        """Asks whether the model can be asked for free text."""

        def told(answer: dict) -> None:
            if answer["missing"] is None:
                self._idle()
                self._guarded(then)
                return
            names = [term.name for term in free if term.prompt in answer["free_text"]]
            self.error = InputError(
                _("Remove {names} from the list, or install what free text needs. {reason}").format(
                    names=", ".join(names or [term.name for term in free]), reason=in_panel(answer["missing"])
                )
            )
            self._end()

        params = {
            "model": settings.model,
            "prompts": [term.prompt for term in free],
            "modality": settings.modality or volume.modality,
        }
        self._start(STARTING)
        self._request = self.worker.request(
            "encodeText", params, on_progress=self._progress, on_done=told, on_error=self._failed
        )
        self._changed()

    def _predict(
        self,
        settings: ImageSettings,
        asked: list[Asked],
        segmentation_node,
        replace: dict,
        cleaning: Cleaning,
        again: bool = True,
    ) -> None:
        volume = self._volume
        writer = self._writer = SegmentWriter(segmentation_node, settings.volume_node)
        self.warning = writer.warning or ""
        writer.begin()
        run = self._outcome.begin(writer)
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
            if any(cleaning):
                put_it = partial(put, values, own)
                self._outcome.clean(mask, cleaning, lambda made: self._guarded(lambda: put_it(*made.result())))
            else:
                put(values, own, mask, "")

        def put(values: dict, own: float, mask: Mask, cleaned: str) -> None:
            if self._writer is not writer:
                return
            confidence = values["confidence"]
            tags = {MODEL_TAG: settings.model, VERSION_TAG: __version__, CONFIDENCE_TAG: f"{confidence:.3f}"}
            for term in of_prompt[values["prompt"]]:
                segment_id = writer.put(term.name, term.entry, mask, tags, replace.get(term.name))
                self._outcome.add(run, volume, term, mask, confidence, own, segment_id, cleaned)

        def done(_answer: dict) -> None:
            self.seconds["segment"] = time.monotonic() - start
            self._end()

        def failed(error: WorkerError) -> None:
            if error.kind != "gone" or not again or self._writer is not writer:
                self._failed(error)
                return
            self._finish_writing()
            self._image_gone()  # other images took its place: it is encoded anew, once
            self._idle()
            self._guarded(
                lambda: self._encode(
                    settings,
                    volume_of(settings.volume_node, settings.modality),
                    lambda: self._predict(settings, asked, segmentation_node, replace, cleaning, again=False),
                )
            )

        self._start(SEGMENTING)
        prompts = [terms[0] for terms in of_prompt.values()]
        self._request = self.worker.request(
            "predict",
            self._asking(prompts),
            on_progress=self._progress,
            on_result=lambda values, binary: self._guarded(lambda: result(values, binary)),
            on_done=done,
            on_error=failed,
        )
        self._changed()

    def _asking(self, asked: Sequence[Asked]) -> dict:
        folder = None if self.worker.remote else str(self._place())
        return {"key": self._image, "prompts": [term.prompt for term in asked], "folder": folder}

    def cancel(self) -> None:
        """Stops what runs; segments that have arrived stay, masks that are still being cleaned do not become any."""
        self._outcome.drop_uncleaned()
        if self._handing is not None:
            self._handing[0].add_done_callback(lambda _written, file=self._image_file: _remove(file))
            self._handing = None
            self._end()
        elif self._request is not None:
            self.worker.cancel(self._request)

    # Previews

    def preview(self, asked: Asked, show: Callable[[Mask], None]) -> None:
        """Calls `show` with the term's mask on the image that is ready; does nothing while something runs."""
        if self._key is not None and not self.busy:
            self._previews.want((self._key, asked.prompt), self._asking([asked]), self._volume, show)

    def stop_preview(self) -> None:
        """Nothing more is wanted of the preview that is on its way."""
        self._previews.stop()

    # Results

    @property
    def rows(self) -> list[Row]:
        """Of the segmentation shown."""
        return self._outcome.rows

    def show_output(self, segmentation_node) -> None:
        """Makes `rows` those of a segmentation's segments, also of ones that came from a file; None for none."""
        if segmentation_node is not self._outcome.output:
            self.warning = ""
            self._outcome.show(segmentation_node)

    def look_again(self) -> None:
        """Brings `rows` up to date with what was changed elsewhere, such as by the Segment Editor."""
        self._outcome.look_again()

    @property
    def can_undo(self) -> bool:
        """Whether there is a run to take back in the segmentation shown."""
        return self._outcome.last_run() is not None and not self.busy

    @property
    def edited(self) -> list[str]:
        """Names of the segments of that run whose voxels or name are no longer as they were put."""
        return edited(self._outcome.last_run()) if self.can_undo else []

    def undo(self) -> None:
        """Takes back the segments of that run.

        Raises:
            InputError: Their segmentation is no longer in the scene.
        """
        if self.can_undo:
            self._outcome.undo(self._outcome.last_run())

    # Ends

    def forget(self) -> None:
        """Of the scene: its nodes are gone. A run is cancelled; what it still brings goes nowhere."""
        self._writer = None
        self.warning = ""
        self._outcome.forget()
        self.forget_image()

    def forget_image(self) -> None:
        """Of a volume that is gone: a run is cancelled. What it brought stays, and can be taken back."""
        self.cancel()
        self.error = self._volume = None
        self._image_gone()
        self._changed()

    def forget_output(self, segmentation_node) -> None:
        """A segmentation is gone: a run on it is cancelled. The image stays encoded."""
        if self._writer is not None and self._writer.node is segmentation_node:
            self.cancel()
            self._writer = None
        self._outcome.forget_output(segmentation_node)
        self._changed()

    def close(self) -> None:
        """Stops the worker and removes what was written for it."""
        self._writer = self._handing = None
        self._outcome.close()
        self._writing.shutdown()
        self.worker.stop()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _place(self) -> Path:
        if self._folder is None:
            self._folder = own_folder("sat-panel")
        return self._folder

    def _refuse_busy(self) -> None:
        if self.busy:
            raise InputError(_("Wait until the run has ended, or cancel it first."))

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
            self._stop(error)
        except Exception as error:  # without this the run would be waited for for ever
            told = _("The run failed unexpectedly ({kind}: {error}). Run again.")
            self._stop(SATError(told.format(kind=type(error).__name__, error=error)))
            raise

    def _stop(self, error: SATError) -> None:
        self.error = error
        self._outcome.drop_uncleaned()
        if self._request is not None and self.busy:
            self.worker.cancel(self._request)
        else:
            self._end()

    def _failed(self, error: WorkerError) -> None:
        if error.kind != "cancelled":
            self.error = error
        if error.kind in ("died", "gone") or self.worker.state in ("stopped", "starting", "failed"):
            self._image_gone()  # a new process holds no image
        self._end()

    def _finish_writing(self) -> None:
        if self._writer is not None:
            self._writer.finish()
            self._writer = None
            self._outcome.drop_empty()

    def _end(self) -> None:
        """The run ends once all its segments and rows are there."""
        self._request = None
        self._over = True
        self._end_in_turn()
        self._changed()

    def _end_in_turn(self) -> None:
        if not self._outcome.cleaning:
            self._finish_writing()
            if not self._outcome.measuring:
                self._idle()

    def _idle(self) -> None:
        self.stage, self.progress, self._request, self._over = IDLE, None, None, False
        if self._handing is None:
            _remove(self._image_file)  # the worker holds it in its own form, or does not want it


def _remove(file: Path | None) -> None:
    if file is not None:
        with suppress(OSError):
            file.unlink(missing_ok=True)
