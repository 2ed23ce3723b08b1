"""A model as one file to share: a zip of its folder, and what must hold before one is taken in."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from ..errors import InputError, ModelError
from ..output.atomic import written
from .folder import CONFIG, DOCUMENTS, FILES, ModelFolder

_SMALL = 64 << 20  # bytes; what a file that is no safetensors may unpack to
_DATE = (1980, 1, 1, 0, 0, 0)  # the same model gives the same bytes
_BLOCK = 1 << 20


def pack(folder: Path, target: Path) -> None:
    """Writes a model's folder as the zip `target`.

    Raises:
        InputError: `target` exists.
        ModelError: A file of the model is missing or another one.
        SATError: `target` cannot be written.
    """
    if target.exists():
        raise InputError(f"{target} exists; remove it first, or choose another name.")
    model = ModelFolder.read(folder)
    model.check(folder)
    names = [CONFIG, *sorted(model.sha256), *(name for name in DOCUMENTS if (folder / name).is_file())]
    with written(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name in names:
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            with (folder / name).open("rb") as source, archive.open(entry, "w", force_zip64=True) as copy:
                shutil.copyfileobj(source, copy, _BLOCK)


def unpack(path: Path, folder: Path) -> None:
    """Unpacks a model's zip into the empty `folder`, which the caller makes and removes.

    Nothing but the files that a model is made of is taken: no folders, links or other names, nothing larger than it
    says, nothing pickled. That the files are the model's own is for `ModelFolder.check` to say.

    Raises:
        InputError: It is no zip of a model.
        ModelError: It is damaged, or there is not enough space on the disk.
    """
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path} is neither a folder nor the zip of a model.")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check(path, entries, shutil.disk_usage(folder).free)
            for entry in entries:
                with archive.open(entry) as source, (folder / entry.filename).open("wb") as copy:
                    _copy(source, copy, entry)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError) as error:
        raise ModelError(f"{path} is damaged: {error}. Get it again.") from error
    except OSError as error:
        raise ModelError(
            f"{path} cannot be unpacked to {folder} ({error.strerror or error}); make room first."
        ) from error


def _check(path: Path, entries: list[zipfile.ZipInfo], free: int) -> None:
    names = [entry.filename for entry in entries]
    allowed = {CONFIG, *FILES, *DOCUMENTS}
    if CONFIG not in names:
        raise InputError(f"{path} is no model of SATSegment: it has no {CONFIG}.")
    if strange := sorted(set(names) - allowed):
        raise InputError(f"{path} is refused: it holds {strange[0]!r}, which is no file of a model.")
    if len(names) != len(set(names)):
        raise InputError(f"{path} is refused: it holds a file twice.")
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or entry.flag_bits & 1:
            raise InputError(f"{path} is refused: {entry.filename} is no plain file.")
        if not entry.filename.endswith(".safetensors") and entry.file_size > _SMALL:
            raise InputError(f"{path} is refused: {entry.filename} is too large ({entry.file_size / 1e6:.0f} MB).")
    need = sum(entry.file_size for entry in entries)
    if need > free:
        raise ModelError(f"{path} needs {need / 1e9:.1f} GB of disk, {free / 1e9:.1f} GB are free; make room first.")


def _copy(source, copy, entry: zipfile.ZipInfo) -> None:
    left = entry.file_size
    while block := source.read(_BLOCK):
        left -= len(block)
        if left < 0:
            raise zipfile.BadZipFile(f"{entry.filename} is larger than the zip says")
        copy.write(block)
