"""Where the network runs, in which precision, and what fits."""

from __future__ import annotations

import contextlib

import psutil
import torch

from ..errors import InputError
from ..network import SATConfig

# Peak of a window's activations over its finest feature maps (skip, upsampled, concatenation, convolution
# workspace), as a multiple of one of them.
_ACTIVATION_MAPS = 12
_MOST_WINDOWS = 8


def choose_device(name: str = "auto") -> torch.device:
    """The device called `name`; "auto" takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        InputError: There is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() and _works("mps") else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f'"{name}" is no device; use auto, cpu, cuda, cuda:1, mps.') from error
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(device.type, False):
        raise InputError(f'The device "{name}" is not available on this machine; use auto or cpu.')
    return device


def _works(device: str) -> bool:
    """Whether a device has the operations of the network; some versions of PyTorch lack them on MPS."""
    try:
        image = torch.zeros(1, 1, 4, 4, 4, device=device)
        torch.nn.functional.avg_pool3d(torch.nn.Conv3d(1, 1, 3, padding=1, device=device)(image), 2).cpu()
    except (NotImplementedError, RuntimeError):
        return False
    return True


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The type the network computes in: "auto" is float16 on CUDA, else float32.

    Raises:
        InputError: `precision` is none of auto, float32, float16, bfloat16.
    """
    if precision == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    known = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    if precision not in known:
        raise InputError(f'"{precision}" is no precision; use auto, {", ".join(known)}.')
    return known[precision]


def autocast(device: torch.device, dtype: torch.dtype):
    """A context in which the network computes in `dtype`."""
    if dtype == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype)


def free_memory(device: torch.device) -> int:
    """Bytes free on the device; for anything but CUDA, of the machine."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def windows_a_batch(config: SATConfig, device: torch.device, dtype: torch.dtype) -> int:
    """How many windows to encode at once: 1 on a CPU, where more are no faster; else what should fit."""
    if device.type == "cpu":
        return 1
    voxels = config.window[0] * config.window[1] * config.window[2]
    a_window = voxels * config.features[0] * dtype.itemsize * _ACTIVATION_MAPS
    return max(1, min(_MOST_WINDOWS, int(0.8 * free_memory(device)) // a_window))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and (
        "can't allocate memory" in str(error) or "out of memory" in str(error).lower()
    )
