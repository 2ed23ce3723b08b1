"""What the worker holds between requests: a model, the images it has seen and their features."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import psutil
import torch

from .. import __version__
from ..errors import InputError, ModelError
from ..imaging import modality_of_word
from ..inference import ClassResult, FeatureStore, Predictor
from ..inference.device import choose_device, choose_dtype, free_memory
from ..models import ModelInfo, find_model
from ..models.catalog import catalog
from ..models.folder import CONFIG
from ..models.installing import import_model
from ..models.loading import LoadedModel, load
from ..models.registry import remove
from ..network.prompts import CachedPrompts
from .arrays import pack, volume_of_message, write_array
from .downloads import convert, download
from .faults import ImageGoneError, fault_of
from .server import Call

_LARGEST_GROUP = 64  # prompts; a predictor takes no more at once
_TEXTS = 16  # encoded between two looks at whether to stop


class Session:
    """The methods of the protocol; see `SATSegmentLib.worker.server.Session`.

    Args:
        folder: Where features that do not fit into RAM go, removed at the end; by default where temporary files go.
    """

    def __init__(self, folder: str | None = None) -> None:
        self._folder = None if folder is None else Path(folder)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        self._store = FeatureStore(folder=self._folder)
        self._loaded: tuple[str, LoadedModel] | None = None
        self._predictor: tuple[tuple, Predictor] | None = None
        self.methods = {
            "models": self.models,
            "download": self.download,
            "convert": self.convert,
            "import": self.import_model,
            "remove": self.remove,
            "clearCache": self.clear_cache,
            "setImage": self.set_image,
            "predict": self.predict,
            "encodeText": self.encode_text,
        }

    def describe(self) -> dict:
        """Versions, devices and memory, as `initialize` tells them."""
        return {
            "version": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "devices": _devices(),
            "device": str(choose_device()),
            "free_memory_gb": _gigabytes(psutil.virtual_memory().available),
        }

    def close(self) -> None:
        """Frees the features and removes their files."""
        self._store.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    # Models

    def models(self, call: Call) -> list[dict]:
        """`models`: which there are."""
        return catalog()

    def download(self, call: Call, model: str) -> dict:
        """`download`: brings a published model here; its terms of use were accepted."""
        download(model, call.progress, call.cancelled)
        return {"model": model}

    def convert(self, call: Call, model: str) -> dict:
        """`convert`: installs a published model that was downloaded before."""
        convert(model, call.progress)
        return {"model": model}

    def import_model(self, call: Call, path: str) -> dict:
        """`import`: installs a model from files carried over by hand."""
        return {"model": import_model(Path(path)).name}

    def remove(self, call: Call, model: str) -> dict:
        """`remove`: deletes an installed model."""
        info = find_model(model)
        if self._loaded is not None and self._loaded[0] == _identity(info):
            self._loaded = self._predictor = None
        return {"freed": remove(info)}

    # Segmenting

    def clear_cache(self, call: Call) -> dict:
        """`clearCache`: forgets all images and their features."""
        freed = self._kept()
        self._store.close()
        self._store = FeatureStore(folder=self._folder)
        self._predictor = None
        return {"freed": freed["memory"] + freed["disk"]}

    def _kept(self) -> dict[str, int]:
        """Bytes of the features kept."""
        return {"memory": self._store.used(on_disk=False), "disk": self._store.used(on_disk=True)}

    def set_image(
        self,
        call: Call,
        image: dict,
        model: str,
        device: str = "auto",
        precision: str = "auto",
        roi: list[float] | None = None,
        skip_air: bool = False,
    ) -> dict:
        """`setImage`: encodes a scan, as far as that is not kept."""
        start = time.perf_counter()
        if roi is not None and len(roi) != 6:
            raise InputError(f"A region is six numbers, not {len(roi)}.")
        predictor = self._predictor_of(call, model, device, precision)
        volume = volume_of_message(image, call.binary)
        encoded = 0

        def progress(stage: str, done: int, total: int) -> None:
            nonlocal encoded
            encoded = done
            call.progress(stage, done, total)

        call.check()
        key = predictor.set_image(volume, roi=roi, skip_air=skip_air, progress=progress, cancelled=call.cancelled)
        return {
            "key": key,
            "grid_shape": list(predictor.grid.crop_shape),
            "windows": predictor.windows,
            "encoded": encoded,
            "kept": self._kept(),
            "seconds": time.perf_counter() - start,
        }

    def predict(self, call: Call, key: str, prompts: list[str], folder: str | None = None) -> dict:
        """`predict`: a `$/result` a prompt, each as soon as it is there."""
        start = time.perf_counter()
        if not isinstance(prompts, list):
            raise InputError(f'Terms are a list; for one, give ["{prompts}"].')
        if not all(isinstance(prompt, str) and prompt.strip() for prompt in prompts):
            raise InputError("A term is empty; remove it.")
        predictor = self._predictor[1] if self._predictor else None
        if predictor is None or not predictor.use_image(key, progress=call.progress, cancelled=call.cancelled):
            raise ImageGoneError("The segmentation process does not hold the scan any more; run again.")
        self._encode(call, predictor.text_encoder, prompts, predictor.modality)
        windows, index = predictor.windows, 0
        for group in _groups(prompts, growing=predictor.features_kept):

            def progress(stage: str, done: int, total: int, before: int = index, size: int = len(group)) -> None:
                call.progress(stage, windows * before + windows * size * done // total, windows * len(prompts))

            for result in predictor.predict(group, progress=progress, cancelled=call.cancelled):
                _hand_over(call, index, result, folder, time.perf_counter() - start)
                index += 1
        return {"count": index, "seconds": time.perf_counter() - start}

    def encode_text(self, call: Call, model: str, prompts: list[str], modality: str) -> dict:
        """`encodeText`: which prompts a model was not trained on, and what is missing to ask them; those that can
        be encoded are, so that `predict` need not wait for it."""
        modality = modality_of_word(modality)
        loaded = self._model_of(call, find_model(model))
        trained = {(term.term, term.modality) for term in loaded.terms}
        free = [prompt for prompt in prompts if trained and (" ".join(prompt.lower().split()), modality) not in trained]
        missing = None
        try:
            self._encode(call, loaded.prompts, prompts, modality)
        except (ModelError, ImportError) as error:
            missing = fault_of(error)[1]
        return {"free_text": free, "missing": missing}

    def _encode(self, call: Call, encoder: CachedPrompts, prompts: list[str], modality: str) -> None:
        for first in range(0, len(prompts), _TEXTS):
            call.check()
            encoder.encode(prompts[first : first + _TEXTS], modality)

    def _model_of(self, call: Call, model: ModelInfo) -> LoadedModel:
        identity = _identity(model)
        if self._loaded is None or self._loaded[0] != identity:
            self._loaded = self._predictor = None  # two models may not fit into memory
            call.progress("load", 0, 1)
            self._loaded = identity, load(model)
            call.progress("load", 1, 1)
            call.check()
        return self._loaded[1]

    def _predictor_of(self, call: Call, model: str, device: str, precision: str) -> Predictor:
        where = choose_device(device)
        how = choose_dtype(precision, where)
        loaded = self._model_of(call, find_model(model))
        if self._predictor is None or self._predictor[0] != (where, how):
            self._predictor = None
            self._predictor = (
                (where, how),
                Predictor(loaded.network, loaded.prompts, str(where), precision, self._store),
            )
        return self._predictor[1]


def _hand_over(call: Call, index: int, result: ClassResult, folder: str | None, seconds: float) -> None:
    packed = pack(result.region.block)
    path = None if folder is None else Path(folder) / f"{call.id}-{index}.npy"
    if path is not None:
        write_array(path, packed)
    values = {
        "index": index,
        "prompt": result.prompt,
        "voxels": result.region.voxels,
        "confidence": result.confidence,
        "start": list(result.region.start),
        "shape": list(result.region.block.shape),
        "file": None if path is None else str(path),
        "seconds": seconds,
    }
    call.result(values, packed if path is None else None)


def _groups(prompts: list[str], growing: bool) -> Iterator[list[str]]:
    """Prompts in groups of 1, 2, 4, ..., so that the first answer comes at once and most work is shared; or all in one
    group, where each group would encode the image anew."""
    first, size = 0, 1 if growing else max(len(prompts), 1)
    while first < len(prompts):
        yield prompts[first : first + size]
        first, size = first + size, min(2 * size, _LARGEST_GROUP)


def _identity(model: ModelInfo) -> str:
    """Of an installed model; another one under the same name has another."""
    try:
        content = (model.folder / CONFIG).read_bytes()
    except OSError:
        content = b""
    return blake2b(str(model.folder.resolve()).encode("utf-8", "surrogateescape") + b"\0" + content).hexdigest()


def _devices() -> list[dict]:
    names = {"cpu": platform.processor() or platform.machine()}
    names |= {f"cuda:{i}": torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())}
    if torch.backends.mps.is_available():
        names["mps"] = "Apple GPU"
    return [
        {"id": device, "name": name, "free_gb": _gigabytes(free_memory(torch.device(device)))}
        for device, name in names.items()
    ]


def _gigabytes(count: int) -> float:
    return round(count / 1e9, 1)
