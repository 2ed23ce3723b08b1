"""What went wrong in the worker, as the error of a response."""

from __future__ import annotations

import sys
import traceback

from ..errors import Cancelled, InputError, ModelError, OutOfMemoryError, SATError
from .protocol import BAD_INPUT, BAD_MODEL, CANCELLED, IMAGE_GONE, INTERNAL, NOT_INSTALLED, OUT_OF_MEMORY


class ImageGoneError(InputError):
    """The image asked about is no longer kept; setting it again helps."""


_CODES = (
    (Cancelled, CANCELLED),
    (OutOfMemoryError, OUT_OF_MEMORY),
    (ImageGoneError, IMAGE_GONE),
    (InputError, BAD_INPUT),
    (ModelError, BAD_MODEL),
    (SATError, INTERNAL),
)


def fault_of(error: BaseException) -> tuple[int, str, str | None]:
    """(code, sentence, details for a report) of an exception."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code, str(error), None
    details = "".join(traceback.format_exception(error))
    if isinstance(error, ImportError):
        return NOT_INSTALLED, _missing(error), details
    if _is_out_of_memory(error):
        return (
            OUT_OF_MEMORY,
            "Memory ran out while segmenting. Close other programs, choose a region, or use a smaller model.",
            details,
        )
    first = (str(error).strip().splitlines() or [""])[0]
    return INTERNAL, f"Segmentation failed unexpectedly ({type(error).__name__}: {first}). Run again.", details


def _missing(error: ImportError) -> str:
    package = (error.name or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and package:
        return (
            f'The Python package "{package}" is missing where the segmentation process runs. Install what is missing '
            f'in the module\'s Setup, or with "{sys.executable}" -m pip install {package}.'
        )
    of = f'"{package}"' if package else "A package"
    return (
        f"The Python package {of} cannot be loaded where the segmentation process runs ({error}). Install it again, "
        f'with "{sys.executable}" -m pip install --force-reinstall {package or "…"}.'
    )


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    if "torch" not in sys.modules:
        return False
    from ..inference.device import is_out_of_memory

    return is_out_of_memory(error)
