"""Scans and masks on their way between client and worker, in files or in frames; NumPy at most."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from ..imaging import Mask, Volume


def image_message(volume: Volume, path: Path | None = None) -> tuple[dict, np.ndarray | None]:
    """What `setImage` is told of a volume.

    Args:
        volume: The scan.
        path: A .npy file to write it to, which the worker reads and which may go once `setImage` is answered;
            None where the worker is on another machine.

    Returns:
        (image, binary): the parameter `image`, and the array that goes with the request if there is no file.

    Raises:
        InputError: The file cannot be written.
    """
    array = volume.array.astype(volume.array.dtype.newbyteorder("="), copy=False)
    image = {
        "affine": volume.affine.tolist(),
        "modality": volume.modality,
        "name": volume.name,
        "shape": list(array.shape),
        "dtype": array.dtype.name,
    }
    if path is None:
        return image, np.ascontiguousarray(array)
    write_array(path, array)
    return {**image, "path": str(path.resolve())}, None


def volume_of_message(image: dict, binary: bytearray | None) -> Volume:
    """The volume that `image_message` describes.

    Raises:
        InputError: The description or its array is not one of a usable volume.
    """
    from ..imaging import Volume

    try:
        shape, dtype = tuple(map(int, image["shape"])), np.dtype(image["dtype"])
        affine, modality, name = image["affine"], image["modality"], str(image["name"])
        array = _mapped(Path(image["path"])) if image.get("path") else _from_bytes(binary, dtype, shape)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"The scan was described wrongly: {type(error).__name__} {error}.") from error
    if array.shape != shape or array.dtype != dtype:
        raise InputError(
            f"{name} has {array.shape} voxels of {array.dtype} where {shape} of {dtype} were announced; "
            "choose the scan again."
        )
    return Volume(array, affine, modality, name)


def pack(block: np.ndarray) -> np.ndarray:
    """A boolean block as bits: (N,) uint8, C order, the last byte filled with zeros."""
    return np.packbits(block, axis=None)


def mask_of_result(result: dict, binary: bytearray | None, volume_shape: tuple[int, int, int]) -> Mask:
    """The mask of a `$/result`, whose file is removed.

    Args:
        result: Its parameters.
        binary: What came with it, for a worker on another machine.
        volume_shape: Voxels of the volume, axes (I, J, K).

    Raises:
        InputError: Its file is gone or damaged, or it does not fit the volume.
    """
    from ..imaging import Mask

    start, shape = tuple(result["start"]), tuple(result["shape"])
    if any(a < 0 or a + n > whole for a, n, whole in zip(start, shape, volume_shape, strict=True)):
        raise InputError(f'The mask of "{result["prompt"]}" is one of another scan; segment it again.')
    try:
        packed = np.frombuffer(binary, np.uint8) if binary is not None else _taken(Path(result["file"]))
        count = int(np.prod(shape))
        if packed.size != -(-count // 8):
            raise ValueError(f"{packed.size} bytes for {count} voxels")
        block = np.unpackbits(packed, count=count).astype(bool).reshape(shape)
    except (OSError, EOFError, TypeError, ValueError) as error:
        raise InputError(f'The mask of "{result["prompt"]}" cannot be read: {error}. Segment it again.') from error
    return Mask(tuple(volume_shape), start, block)


def write_array(path: Path, array: np.ndarray) -> None:
    """Writes a .npy file that is there whole or not at all; its folder is made.

    Raises:
        InputError: It cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}); free some space, or let temporary files go to "
            "another folder."
        ) from error


def _taken(path: Path) -> np.ndarray:
    array = np.load(path, allow_pickle=False)
    with suppress(OSError):  # a virus scanner may still look at it
        path.unlink()
    return array


def _mapped(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"The scan handed over in {path} cannot be read: {error}. Run again.") from error


def _from_bytes(binary: bytearray | None, dtype: np.dtype, shape: tuple[int, int, int]) -> np.ndarray:
    if binary is None:
        raise ValueError("neither a path nor an array was given")
    return np.frombuffer(binary, dtype).reshape(shape)
