"""What the network made of an image, kept so that further prompts need not encode it again."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import psutil
import torch
from filelock import FileLock, Timeout
from torch import Tensor

_RAM_SHARE = 0.5  # of what is free when the store is made
_DISK_SHARE = 0.25
_NAME = "sat-features-"


@dataclass(frozen=True, eq=False)
class WindowFeatures:
    """One window, encoded.

    Attributes:
        pixels: Finest decoder features (C, h, w, d) of the window's part of the image, float16.
        memory: Image tokens (T, query width), float32.
    """

    pixels: Tensor
    memory: Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of both."""
        return self.pixels.nbytes + self.memory.nbytes


class FeatureStore:
    """Features of several images under a budget, in RAM, then in memory-mapped files.

    The least recently used image leaves first. Of an image that does not fit by itself, only the
    windows that do are kept.

    Args:
        ram: Bytes of RAM; by default half of what is free now.
        disk: Bytes on disk; by default a quarter of what is free where temporary files go.
        folder: Where the files go, and who makes it removes it; by default a temporary folder, removed with the
            store, or by the next one made where the process was killed.
    """

    def __init__(self, ram: int | None = None, disk: int | None = None, folder: Path | None = None) -> None:
        if folder is None:
            _sweep()
        self._folder, lock = _own_folder(folder)
        self._remove = weakref.finalize(self, _remove, self._folder, lock)
        self.ram = int(psutil.virtual_memory().available * _RAM_SHARE) if ram is None else ram
        self.disk = int(shutil.disk_usage(self._folder).free * _DISK_SHARE) if disk is None else disk
        self._images: OrderedDict[str, dict[int, tuple[WindowFeatures, bool]]] = OrderedDict()

    def get(self, image: str, window: int) -> WindowFeatures | None:
        """The features of a window, or None where they are not kept."""
        if image not in self._images:
            return None
        self._images.move_to_end(image)
        entry = self._images[image].get(window)
        return entry[0] if entry else None

    def has(self, image: str, window: int) -> bool:
        """Whether the features of a window are kept; asking counts as use."""
        return self.get(image, window) is not None

    def put(self, image: str, window: int, features: WindowFeatures) -> bool:
        """Keeps the features of a window if there is room, else makes room among older images.

        Returns:
            Whether they are kept.
        """
        windows = self._images.setdefault(image, {})
        self._images.move_to_end(image)
        while True:
            if self.used(on_disk=False) + features.nbytes <= self.ram:
                windows[window] = (features, False)
                return True
            if self.used(on_disk=True) + features.nbytes <= self.disk:
                mapped = self._to_disk(image, window, features)
                if mapped is not None:
                    windows[window] = (mapped, True)
                return mapped is not None
            oldest = next(iter(self._images))
            if oldest == image:
                return False
            self.drop(oldest)

    def used(self, on_disk: bool) -> int:
        """Bytes of the features kept on disk, or else in RAM."""
        return sum(
            features.nbytes
            for windows in self._images.values()
            for features, disk in windows.values()
            if disk == on_disk
        )

    def drop(self, image: str) -> None:
        """Forgets an image."""
        self._images.pop(image, None)
        shutil.rmtree(self._folder / image, ignore_errors=True)

    def close(self) -> None:
        """Forgets everything and removes the files."""
        self._images.clear()
        self._remove()

    def _to_disk(self, image: str, window: int, features: WindowFeatures) -> WindowFeatures | None:
        """The features in a mapped file, or None where the disk does not take them."""
        folder = self._folder / image
        path = folder / f"{window}.npy"
        try:
            folder.mkdir(exist_ok=True)
            np.save(path, features.pixels.numpy())
        except OSError:  # without a copy they are computed again, which costs time only
            path.unlink(missing_ok=True)
            return None
        # copy-on-write: torch wants a writable array, the file stays as it is
        pixels = torch.from_numpy(np.load(path, mmap_mode="c"))
        return WindowFeatures(pixels, features.memory)


def _own_folder(place: Path | None) -> tuple[Path, FileLock | None]:
    """A new folder; a temporary one with a lock beside it, which its process holds as long as it lives."""
    if place is not None:
        return Path(tempfile.mkdtemp(prefix=_NAME, dir=place)), None
    folder = Path(tempfile.gettempdir(), f"{_NAME}{uuid4().hex}")
    lock = FileLock(f"{folder}.lock", thread_local=False)  # another thread may release it
    lock.acquire()
    folder.mkdir(mode=0o700)
    return folder, lock


def _remove(folder: Path, lock: FileLock | None) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if lock is None:
        return
    lock.release()
    path = Path(lock.lock_file)
    with suppress(OSError):
        if folder.exists():  # a file that is mapped stays on Windows; a later store removes it
            path.touch()
        else:
            path.unlink(missing_ok=True)


def _sweep() -> None:
    """Removes the temporary folders of processes that are gone."""
    for path in Path(tempfile.gettempdir()).glob(f"{_NAME}*.lock"):
        lock = FileLock(path, timeout=0, thread_local=False)
        with suppress(Timeout, OSError):  # in use, or another user's
            lock.acquire()
            _remove(path.with_suffix(""), lock)
