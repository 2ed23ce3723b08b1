"""Encodes an image once, then answers any number of prompts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..errors import Cancelled, InputError, OutOfMemoryError
from ..imaging import Box, Grid, Mask, Volume, prepare
from ..network import SAT
from ..network.query_decoder import position_encoding
from ..network.text_encoder import fingerprint
from .device import autocast, choose_device, choose_dtype, free_memory, is_out_of_memory, windows_a_batch
from .feature_store import FeatureStore, WindowFeatures
from .masks import MaskBuilder, WindowSum
from .windows import Window, gaussian_weight, layout

Progress = Callable[[str, int, int], None]
"""Called with the stage ("encode" or "segment"), the windows done and the windows in all."""

# Sums of one chunk of classes; what a class takes depends on grid and window.
_SUMS_BUDGET = 1 << 30
_MOST_CLASSES = 64
# Feature voxels turned to float32 at once for the dot product
_DOT_VOXELS = 1 << 20
# Images kept on the model's grid, so that going back to one of them starts at once
_PREPARED_BUDGET = 1 << 30


class PromptEncoder(Protocol):
    """What turns text into queries, such as `network.text_encoder.TextEncoder`."""

    def encode(self, prompts: list[str], modality: str) -> Tensor:
        """Queries (N, text width)."""


@dataclass(frozen=True, eq=False)
class ClassResult:
    """One prompt's answer.

    Attributes:
        prompt: The text asked, or the number of the query.
        region: The mask on the volume's own grid, as a block.
        confidence: Mean probability of the mask's voxels on the model's grid; 0 for an empty mask.
        probabilities: On the model's grid (R, A, S) of `Predictor.grid`, float32, if asked for.
    """

    prompt: str
    region: Mask
    confidence: float
    probabilities: np.ndarray | None = None

    @property
    def mask(self) -> np.ndarray:
        """The whole mask, bool, axes (I, J, K) of the volume; made anew at each call."""
        return self.region.array


@dataclass(frozen=True, eq=False)
class _Image:
    """An image on the model's grid: its part that windows cover, and where results are wanted."""

    modality: str
    array: np.ndarray
    grid: Grid
    box: Box
    region: Box
    windows: list[Window]
    skipped: frozenset[int]
    key: str


class Predictor:
    """Segments a volume by text.

    `set_image` runs the U-Net, `predict` only the query decoder and a dot product with the features
    kept, so that each further prompt on the same image costs a fraction of the first. Masks are those
    of the published sliding window, whatever is batched with what.

    Args:
        model: The network; moved to the device, set to evaluation.
        text_encoder: Turns prompts into queries; may be left out where queries are given directly.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        precision: "auto" (float16 on CUDA, else float32), "float32", "float16", "bfloat16".
        store: Where features are kept; by default a store of its own with the default budget.

    Raises:
        InputError: There is no such device or precision.
    """

    def __init__(
        self,
        model: SAT,
        text_encoder: PromptEncoder | None = None,
        device: str = "auto",
        precision: str = "auto",
        store: FeatureStore | None = None,
    ) -> None:
        self.device = choose_device(device)
        self.dtype = choose_dtype(precision, self.device)
        self.model = model.to(self.device).eval()
        self.text_encoder = text_encoder
        self.store = store or FeatureStore()
        self._model_key = f"{fingerprint(model)} {model.config} {self.dtype}"
        self._batch = windows_a_batch(model.config, self.device, self.dtype)
        self._sums_on = self.device
        self._weight = gaussian_weight(model.config.window)
        self._image: _Image | None = None
        self._prepared: OrderedDict[str, _Image] = OrderedDict()

    @property
    def grid(self) -> Grid:
        """The model's grid of the image set, cropped to where results are wanted."""
        image = self._require_image()
        return image.grid.cropped(image.region)

    @property
    def modality(self) -> str:
        """Of the image set."""
        return self._require_image().modality

    @property
    def windows(self) -> int:
        """How many windows of the image set the network sees."""
        image = self._require_image()
        return len(image.windows) - len(image.skipped)

    @property
    def features_kept(self) -> bool:
        """Whether all features of the image set are kept; if not, each `predict` encodes the rest anew."""
        return not self._missing(self._require_image())

    def set_image(
        self,
        volume: Volume,
        *,
        roi: Sequence[float] | None = None,
        skip_air: bool = False,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> str:
        """Preprocesses and encodes a volume; what is still kept of either is not computed again.

        Args:
            volume: What to segment; not needed any more afterwards.
            roi: (R0, A0, S0, R1, A1, S1) in millimetres: only windows that this box needs are encoded, and
                masks end at the box, seen on the model's grid (where an oblique volume's axes are
                turned against the box, at the smallest box that holds it).
            skip_air: Leave out windows that hold nothing but air; the published result includes them.
            progress: See `Progress`.
            cancelled: Asked before each window.

        Returns:
            A key for `use_image`: the same for the same content, region and `skip_air`, whatever its name.

        Raises:
            InputError: The volume or the region cannot be used.
            OutOfMemoryError: Not even one window fits.
            Cancelled: `cancelled` said so; the image set before stays, and so do the windows done.
        """
        roi = None if roi is None else tuple(map(float, roi))
        key = _key(volume.content_hash, roi, bool(skip_air), self._model_key)
        if key not in self._prepared:
            self._keep(key, self._prepare(volume, roi, skip_air))
        self.use_image(key, progress=progress, cancelled=cancelled)
        return key

    def use_image(
        self, key: str, *, progress: Progress | None = None, cancelled: Callable[[], bool] | None = None
    ) -> bool:
        """Goes back to an image set before; features that are no longer kept are computed again.

        Args:
            key: What `set_image` returned.
            progress: See `Progress`.
            cancelled: Asked before each window.

        Returns:
            False, and nothing is changed, where the image is no longer kept: set it again.

        Raises:
            OutOfMemoryError, Cancelled: As `set_image`.
        """
        image = self._prepared.get(key)
        if image is None:
            return False
        self._prepared.move_to_end(key)
        missing = self._missing(image)
        try:
            for done, (index, features) in enumerate(self._encode(image, missing, cancelled), start=1):
                if progress:
                    progress("encode", done, len(missing))
                if not self.store.put(image.key, index, features):
                    break  # the rest would not fit either; `predict` encodes it as it goes
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise self._out_of_memory() from error
        self._image = image
        return True

    def predict(
        self,
        prompts: Sequence[str] | None = None,
        *,
        queries: Tensor | None = None,
        probabilities: bool = False,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[ClassResult]:
        """Masks of the image set, one a prompt, in order.

        Args:
            prompts: Texts.
            queries: Prompt embeddings (N, text width) instead.
            probabilities: Whether to return them too, on the model's grid.
            progress: See `Progress`.
            cancelled: Asked before each window.

        Raises:
            InputError: No image was set, or not exactly one of prompts and queries is given.
            OutOfMemoryError: Not even one class fits.
            Cancelled: `cancelled` said so.
        """
        image = self._require_image()
        if (prompts is None) == (queries is None):
            raise InputError("Give either prompts or queries.")
        if isinstance(prompts, str):
            raise InputError(f'Prompts are a list; for one, give ["{prompts}"].')
        if queries is None:
            if self.text_encoder is None:
                raise InputError("Text prompts need a text encoder; this predictor was made without one.")
            prompts = list(prompts)
            if not prompts:
                return []
            queries = self.text_encoder.encode(prompts, image.modality)
        names = [str(i) for i in range(len(queries))] if prompts is None else prompts
        width = self.model.config.text_width
        if queries.ndim != 2 or queries.shape[1] != width:
            raise InputError(f"Queries must have the shape (N, {width}), not {tuple(queries.shape)}.")
        queries = queries.to(self.device, torch.float32)
        chunk = self._classes_a_chunk(image)
        chunks = [slice(i, min(i + chunk, len(queries))) for i in range(0, len(queries), chunk)]
        results: list[ClassResult] = []
        total = len(chunks) * len(image.windows)
        for number, part in enumerate(chunks):

            def window_done(done: int, before: int = number * len(image.windows)) -> None:
                if progress:
                    progress("segment", before + done, total)

            results += self._segment(image, names[part], queries[part], probabilities, window_done, cancelled)
        return results

    def _prepare(self, volume: Volume, roi: tuple[float, ...] | None, skip_air: bool) -> _Image:
        array, grid = prepare(volume, self.model.config.spacing, self.model.config.axis_codes)
        region = grid.crop if roi is None else grid.box_of_ras(roi)
        box = grid.crop if roi is None else _grown(region, self.model.config.window, grid.crop)
        inside = tuple(slice(a - c, b - c) for a, b, c in zip(*box, grid.crop[0], strict=True))
        air = float(array.min())
        array = np.ascontiguousarray(array[inside])
        windows = layout(array.shape, self.model.config.window)
        skipped = frozenset(i for i, window in enumerate(windows) if skip_air and array[window.slices].max() <= air)
        key = _key(volume.content_hash, box, self._model_key)
        return _Image(volume.modality, array, grid, box, region, windows, skipped, key)

    def _keep(self, key: str, image: _Image) -> None:
        """Keeps an image on the model's grid; older ones leave where there are more than the budget holds."""
        self._prepared[key] = image
        while len(self._prepared) > 1 and sum(kept.array.nbytes for kept in self._prepared.values()) > _PREPARED_BUDGET:
            self._prepared.popitem(last=False)

    def _missing(self, image: _Image) -> list[int]:
        """The windows whose features are not kept."""
        return [i for i in range(len(image.windows)) if i not in image.skipped and not self.store.has(image.key, i)]

    def _require_image(self) -> _Image:
        if self._image is None:
            raise InputError("No image is set; call set_image first.")
        return self._image

    def _classes_a_chunk(self, image: _Image) -> int:
        plane = image.array.shape[0] * image.array.shape[1]
        window = image.windows[0].shape
        a_class = 4 * (plane * min(window[2] * 2, image.array.shape[2] + window[2]) + 3 * int(np.prod(window)))
        return max(1, min(_MOST_CLASSES, _SUMS_BUDGET // a_class))

    def _encode(self, image: _Image, indices: list[int], cancelled) -> Iterator[tuple[int, WindowFeatures]]:
        """The features of windows, in order; the batch is halved where memory runs out."""
        position = 0
        while position < len(indices):
            if cancelled and cancelled():
                raise Cancelled
            part = indices[position : position + self._batch]
            try:
                encoded = self._encode_batch(image, part)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or len(part) == 1:
                    raise
                self._release_memory()
                self._batch = len(part) // 2
                continue
            yield from zip(part, encoded, strict=True)
            position += len(part)

    @torch.inference_mode()
    def _encode_batch(self, image: _Image, indices: list[int]) -> list[WindowFeatures]:
        shape = self.model.config.window
        patches = torch.zeros(len(indices), 1, *shape)
        for patch, index in zip(patches, indices, strict=True):
            window = image.windows[index]
            h, w, d = window.shape
            patch[0, :h, :w, :d] = torch.from_numpy(image.array[window.slices])
        with autocast(self.device, self.dtype):
            encoded = self.model.encode_image(patches.to(self.device))
        features = []
        for i, index in enumerate(indices):
            h, w, d = image.windows[index].shape
            # Half precision whether kept or not, so that an answer never depends on what was kept
            pixels = encoded.pixels[0][i, :, :h, :w, :d].to("cpu", torch.float16).contiguous()
            features.append(WindowFeatures(pixels, encoded.memory[i].float().cpu()))
        return features

    def _segment(
        self, image: _Image, names: list[str], queries: Tensor, probabilities: bool, window_done, cancelled
    ) -> list[ClassResult]:
        """`_segment_once`; where memory runs out with sums on the CPU, then with half the classes at a time."""
        try:
            return self._segment_once(image, names, queries, probabilities, window_done, cancelled)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if self._sums_on.type == "cpu" and len(names) == 1:
                raise self._out_of_memory() from error
        self._release_memory()
        if self._sums_on.type != "cpu":
            self._sums_on = torch.device("cpu")
            return self._segment(image, names, queries, probabilities, window_done, cancelled)
        half = len(names) // 2
        return [
            result
            for part in (slice(half), slice(half, None))
            for result in self._segment(image, names[part], queries[part], probabilities, window_done, cancelled)
        ]

    def _release_memory(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _out_of_memory(self) -> OutOfMemoryError:
        window = " x ".join(map(str, self.model.config.window))
        return OutOfMemoryError(
            f'Not even one window of {window} voxels fits into the memory of "{self.device}" '
            f"({free_memory(self.device) / 1e9:.1f} GB free). Close other programs, or use a smaller model"
            + (", or run on the CPU." if self.device.type != "cpu" else ".")
        )

    @torch.inference_mode()
    def _segment_once(
        self, image: _Image, names: list[str], queries: Tensor, probabilities: bool, window_done, cancelled
    ) -> list[ClassResult]:
        sums = WindowSum((len(queries), *image.array.shape), image.windows[0].shape[2], self._sums_on)
        weight = self._weight[tuple(slice(n) for n in image.windows[0].shape)].to(self._sums_on)
        collector = _Collector(image, names, probabilities)
        encoding = self._encode(image, self._missing(image), cancelled)
        for index, window in enumerate(image.windows):
            if cancelled and cancelled():
                raise Cancelled
            if (slab := sums.finished_before(window.start[2])) is not None:
                collector.add(slab)
            if index in image.skipped:
                sums.add(window, None, weight)
            else:
                features = self.store.get(image.key, index) or next(encoding)[1]
                sums.add(window, self._probabilities(features, queries), weight)
            window_done(index + 1)
        collector.add(sums.rest())
        return collector.finish()

    def _probabilities(self, features: WindowFeatures, queries: Tensor) -> Tensor:
        """(N, h, w, d), float32, on the network's device."""
        memory = features.memory[None].to(self.device)
        tokens = tuple(n // self.model.config.reduction for n in self.model.config.window)
        positions = position_encoding(tokens, self.model.config.query_width).to(memory)
        embeddings = self.model.mask_embeddings(memory, positions, queries)[0]
        channels, *shape = features.pixels.shape
        pixels = features.pixels.reshape(channels, -1)
        result = torch.empty(len(queries), pixels.shape[1], device=self.device)
        for first in range(0, pixels.shape[1], _DOT_VOXELS):
            part = slice(first, first + _DOT_VOXELS)
            torch.mm(embeddings, pixels[:, part].to(self.device).float(), out=result[:, part])
        return result.sigmoid_().view(-1, *shape)


class _Collector:
    """Gathers the finished slabs of a chunk of classes."""

    def __init__(self, image: _Image, names: list[str], probabilities: bool) -> None:
        self._names = names
        self._image = image
        self._next = image.box[0][2]
        self._builders = [MaskBuilder(image.grid, image.region) for _ in names]
        self._slabs: list[np.ndarray] | None = [] if probabilities else None

    def add(self, slab: Tensor) -> None:
        """The next slices (N, H, W, K) of the windows' box; what lies outside the region is cut away."""
        first, self._next = self._next, self._next + slab.shape[3]
        (i0, j0, k0), (i1, j1, k1) = self._image.region
        a, b, _ = self._image.box[0]
        array = slab[:, i0 - a : i1 - a, j0 - b : j1 - b, max(k0 - first, 0) : max(k1 - first, 0)].numpy()
        if not array.shape[3]:
            return
        for builder, values in zip(self._builders, array, strict=True):
            builder.add(values)
        if self._slabs is not None:
            self._slabs.append(array)

    def finish(self) -> list[ClassResult]:
        """One result a class."""
        values = [None] * len(self._names) if self._slabs is None else np.concatenate(self._slabs, 3)
        return [
            ClassResult(name, *builder.finish(), probabilities=array)
            for name, builder, array in zip(self._names, self._builders, values, strict=True)
        ]


def _key(*parts: object) -> str:
    return blake2b(" ".join(map(str, parts)).encode(), digest_size=16).hexdigest()


def _grown(region: Box, window: tuple[int, int, int], crop: Box) -> Box:
    """A region grown to at least a window, about its middle, as far as the crop reaches."""
    start, stop = [], []
    for a, b, w, low, high in zip(*region, window, *crop, strict=True):
        length = min(max(b - a, w), high - low)
        first = min(max((a + b - length) // 2, low), high - length)
        start.append(first)
        stop.append(first + length)
    return tuple(start), tuple(stop)
