"""Prompts to queries: a model's own vocabulary, then a cache on disk, then the text encoder."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .text_encoder import TextEncoder


class CachedPrompts:
    """Queries of (text, modality), computed once a text encoder.

    The text encoder is made only when a prompt is in neither the vocabulary nor the cache.

    Args:
        vocabulary: Queries (text width,) of (lower-case term, modality) that are known without it.
        make_encoder: Makes it.
        encoder_hash: Of its weights; each encoder has a cache of its own.
        cache: Folder of all caches.
    """

    def __init__(
        self,
        vocabulary: Mapping[tuple[str, str], Tensor],
        make_encoder: Callable[[], TextEncoder],
        encoder_hash: str,
        cache: Path,
    ) -> None:
        self._known = dict(vocabulary)
        self._make_encoder = make_encoder
        self._encoder: TextEncoder | None = None
        self._folder = cache / encoder_hash

    def encode(self, prompts: list[str], modality: str) -> Tensor:
        """Queries (N, text width), float32, of texts asked of one modality.

        Raises:
            ModelError: A prompt is new and the text encoder is not installed.
        """
        keys = [(" ".join(prompt.lower().split()), modality) for prompt in prompts]
        unknown = [key for key in dict.fromkeys(keys) if key not in self._known and not self._read(key)]
        if unknown:
            if self._encoder is None:
                self._encoder = self._make_encoder()
            for key, query in zip(unknown, self._encoder.encode([text for text, _ in unknown], modality), strict=True):
                self._known[key] = query
                self._write(key, query)
        return torch.stack([self._known[key] for key in keys])

    def _path(self, key: tuple[str, str]) -> Path:
        name = blake2b("\0".join(key).encode(), digest_size=16).hexdigest()
        return self._folder / f"{name}.npy"

    def _read(self, key: tuple[str, str]) -> bool:
        try:
            self._known[key] = torch.from_numpy(np.load(self._path(key), allow_pickle=False))
        except (OSError, ValueError, EOFError):
            return False
        return True

    def _write(self, key: tuple[str, str], query: Tensor) -> None:
        path = self._path(key)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                np.save(file, query.numpy())
            temporary.replace(path)
        except OSError:  # a cache that cannot be written costs time, nothing else
            temporary.unlink(missing_ok=True)
