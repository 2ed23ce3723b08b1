"""What runs on a Dask worker: the model, loaded once, and one case after the other.

A worker works on two cases at a time. While the network is busy with one, the other is read and resampled, or its
results are written; the network's turn goes from case to case.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import traceback
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import psutil
from distributed import get_worker

from .. import __version__
from ..anatomy.prompts import free_text, prompts_of
from ..errors import Cancelled, SATError
from ..imaging import Volume
from ..models import find_model
from ..output import write_seg_nrrd, write_table
from ..output.made_by import made_by
from ..output.measured import measured
from .cases import BatchCase
from .kept import MEASUREMENTS, PICTURE, Result, new_results, segmentation_name, stamps, write_done
from .picture import write_picture
from .settings import CASES_AT_ONCE, Settings, model_hash

if TYPE_CHECKING:
    from ..inference import FeatureStore, Predictor

_RAM_SHARE = 0.25  # of what is free, for the features of each case at work
_LIMIT_SHARE = 0.8  # of a worker's memory, at which Dask gives it no more work; a bit more, and it ends it

_loading = threading.Lock()
_model: _Model | None = None
_stopped: set[str] = set()


class _Model:
    """A model in memory, its network used by one case at a time.

    Attributes:
        loaded: It.
        turn: Held by the case whose windows the network sees.
        idle: Predictors on the one network, a case at work takes one.
        scratch: The folder of the worker's temporary files, which Dask removes; None outside of Dask.
    """

    def __init__(self, settings: Settings, scratch: Path | None) -> None:
        import torch  # here, as the command imports this module only to name its functions

        from ..inference import FeatureStore, Predictor
        from ..models.loading import load

        info = find_model(settings.model)
        if info.installed and model_hash(info) != settings.model_hash:
            raise SATError(
                f"{socket.gethostname()} has another model called {settings.model}; install the same one there."
            )
        # Dask's workers start with one
        torch.set_num_threads(settings.threads or max(1, _cores() // settings.processes))
        self.key = _key(settings)
        self.loaded = load(info)
        self.trained = [(term.term, term.modality) for term in self.loaded.terms]
        self.turn = threading.Lock()
        self.idle: SimpleQueue[Predictor] = SimpleQueue()
        self.scratch = scratch
        nothing = FeatureStore(ram=0, disk=0, folder=scratch)  # each case has a store of its own
        for _ in range(CASES_AT_ONCE):
            self.idle.put(
                Predictor(self.loaded.network, self.loaded.prompts, settings.device, settings.precision, nothing)
            )


class _Turn:
    """The network's turn of one case; given to a predictor as what it asks before each window.

    Attributes:
        asked, taken: When it was first wanted, and when it began.
    """

    def __init__(self, lock: threading.Lock, run: str) -> None:
        self._lock, self._run = lock, run
        self._held = False
        self.asked = self.taken = 0.0

    def __call__(self) -> bool:
        """Waits for the turn, if it has not begun; whether the work is to stop."""
        if not self._held:
            self.asked = time.perf_counter()
            self._lock.acquire()
            self._held = True
            self.taken = time.perf_counter()
        return self._run in _stopped

    def end(self) -> None:
        """It is the next case's turn."""
        if self._held:
            self._lock.release()
            self._held = False


def ready(settings: Settings, image: Path, dask_worker=None) -> str:
    """Loads the model and checks that this worker can do what is asked; the device it uses.

    Args:
        settings: Of the batch.
        image: One of its scans.
        dask_worker: Given by Dask.

    Raises:
        SATError: The model or device is not here, another version of SlicerSAT is, the files cannot be seen, or the
            worker may take too little memory.
    """
    host = socket.gethostname()
    if settings.version != __version__:
        raise SATError(
            f"{host} has SlicerSAT {__version__}, and this is {settings.version}; install the same one there."
        )
    for path in (image, settings.output):
        if not path.exists():
            raise SATError(f"{host} does not see {path}; scans and results must be on a disk that all workers share.")
    if not os.access(settings.output, os.W_OK):
        raise SATError(f"{host} may not write to {settings.output}; change its permissions.")
    model = _model_of(settings, dask_worker)
    limit = None if dask_worker is None else dask_worker.memory_manager.memory_limit
    if limit and _left_of(limit) <= 0:
        raise SATError(
            f"A worker on {host} may take {limit / 1e9:.1f} GB of memory, which the model alone fills; start it "
            "with a higher --memory-limit."
        )
    predictor = model.idle.get()
    model.idle.put(predictor)
    return str(predictor.device)


def stop(run: str) -> None:
    """Ends the cases of a run at their next window."""
    _stopped.add(run)


def segment_case(case: BatchCase, settings: Settings, run: str) -> Result:
    """Segments a case and writes its folder; what goes wrong is in the result's `error`.

    Args:
        case: It.
        settings: Of the batch.
        run: What `stop` is told.
    """
    try:
        model = _model_of(settings, get_worker())
        predictor = model.idle.get()  # waits where the worker has more threads than cases are worked on at once
        turn = _Turn(model.turn, run)
        try:
            return _segment(case, settings, model, predictor, turn)
        finally:
            turn.end()
            predictor.store.close()
            model.idle.put(predictor)
    except Cancelled:
        return Result(case, error="It was stopped.")
    except (SATError, OSError) as error:
        return Result(case, error=str(error))
    except MemoryError:
        return Result(case, error="Memory ran out; use a machine with more, or leave the scan out.")
    except Exception as error:  # a defect of ours or of a library; the other cases go on
        traceback.print_exc()
        return Result(case, error=f"It went wrong: {type(error).__name__}: {error}.")


def _segment(case: BatchCase, settings: Settings, model: _Model, predictor: Predictor, turn: _Turn) -> Result:
    start = time.perf_counter()
    told = stamps(case.image)
    volume = Volume.read(case.image, case.modality)
    prompts, _ = prompts_of(settings.terms, model.trained, volume.modality)
    free = free_text(prompts, model.trained, volume.modality, settings.model)
    predictor.store = _new_store(model.scratch, settings.processes, get_worker().memory_manager.memory_limit)
    predictor.set_image(volume, skip_air=settings.skip_air, cancelled=turn)
    turn()  # where no window was left to encode, nobody has asked for it yet
    results = predictor.predict(list(prompts.values()), cancelled=turn)
    turn.end()
    found = time.perf_counter()
    segments, rows = [], []
    for (term, prompt), answer in zip(prompts.items(), results, strict=True):
        asked = settings.largest_component, settings.fill_holes, settings.radiomics
        segment, row = measured(volume, term, prompt, answer.region, answer.confidence, *asked)
        segments.append(segment)
        rows.append(row | {"free_text": term in free})
    with new_results(settings.output, case) as folder:
        metadata = made_by(model.loaded.folder.name, settings.largest_component, settings.fill_holes)
        write_seg_nrrd(folder / segmentation_name(case), volume, segments, metadata)
        write_table(folder / MEASUREMENTS, rows)
        write_picture(folder / PICTURE, volume, segments)
        seconds = {
            "prepare": turn.asked - start,
            "wait": turn.taken - turn.asked,
            "network": found - turn.taken,
            "write": time.perf_counter() - found,
        }
        seconds = {stage: round(value, 3) for stage, value in seconds.items()}
        notes = volume.source.notes if volume.source else ()
        result = Result(case, tuple(rows), volume.modality, notes, seconds)
        write_done(folder, case, settings, volume.content_hash, told, result)
    return result


def _new_store(folder: Path | None, processes: int, limit: int | None) -> FeatureStore:
    """For the features of one case; `limit` are the bytes of memory that Dask lets the worker have, if it minds."""
    from ..inference import FeatureStore

    ram = psutil.virtual_memory().available * _RAM_SHARE / processes
    if limit is None:
        return FeatureStore(int(ram), folder=folder)
    ram = min(ram, max(0, _left_of(limit) * _RAM_SHARE))
    return FeatureStore(int(ram), disk=0, folder=folder)  # pages of mapped files count as the process's memory too


def _left_of(limit: int) -> float:
    """Bytes of a worker's memory that are free, until Dask gives it no more work; negative where it does not now."""
    return limit * _LIMIT_SHARE - psutil.Process().memory_info().rss


def _model_of(settings: Settings, dask_worker) -> _Model:
    """The model, loaded if it is not here yet; another batch's leaves."""
    global _model
    with _loading:
        if _model is None or _model.key != _key(settings):
            _model = None
            _model = _Model(settings, None if dask_worker is None else Path(dask_worker.local_directory))
        return _model


def _key(settings: Settings) -> tuple:
    return settings.model_hash, settings.device, settings.precision, settings.processes, settings.threads


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
