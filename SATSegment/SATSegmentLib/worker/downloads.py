"""Downloading and converting a model, told in bytes of all its files together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from ..models import find_model
from ..models.installing import convert_downloaded, download_model


def download(name: str, progress: Callable[[str, int, int], None], cancelled: Callable[[], bool]) -> None:
    """Downloads and installs a published model, whose terms of use were accepted.

    Args:
        name: Of the model.
        progress: Called with the stage, "download" with the bytes done and in all, then "convert".
        cancelled: Asked often while downloading; what has arrived is kept for another time.

    Raises:
        InputError, ModelError, Cancelled: As `download_model`.
    """
    model = find_model(name)
    if model.hub is None:
        raise InputError(f"{model.name} is not one of the models that can be downloaded.")
    last = Path(model.hub.vocabulary).name
    whole = round(model.hub.download_mb * 1e6)
    files: dict[str, int] = {}

    def file_progress(file: str, done: int, total: int | None) -> None:
        files[file] = done
        progress("download", min(sum(files.values()), whole), whole)
        if file == last and done == total:
            progress("convert", 0, 1)

    download_model(model, file_progress, cancelled)
    progress("convert", 1, 1)


def convert(name: str, progress: Callable[[str, int, int], None]) -> None:
    """Installs a published model whose files were downloaded before; `progress` and errors as `download`."""
    progress("convert", 0, 1)
    convert_downloaded(find_model(name))
    progress("convert", 1, 1)
