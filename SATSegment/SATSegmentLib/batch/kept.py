"""The folder of a case's results, which is there whole or not at all, and says what it was made of.

DIR/<id>/<id>.seg.nrrd       the segmentation
DIR/<id>/measurements.json   a row a term
DIR/<id>/picture.jpg         three planes
DIR/<id>/done.json           the scan's content, the settings, seconds
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from ..errors import InputError, SATError
from ..imaging import Volume
from ..models.download import sha256_of
from .cases import BatchCase
from .settings import Settings

DONE = "done.json"
MEASUREMENTS = "measurements.json"
PICTURE = "picture.jpg"
_HEADERS = (".nhdr", ".mhd")  # the voxels are in another file, which may change without them
_PART = re.compile(r"\.(?P<id>.+)\.[0-9a-f]{8}\.(?P<kind>part|old)")
_WORDS = {
    "terms": "other terms",
    "model": "another model",
    "modality": "another modality",
    "version": "another version of SlicerSAT",
}


@dataclass(frozen=True)
class Result:
    """What became of a case.

    Attributes:
        case: It.
        rows: Measurements, a row a term, with the keys of `output.COLUMNS` and `free_text`.
        modality: It was segmented as.
        notes: What is to be known of how the scan was read, a sentence each.
        seconds: Of the stages "prepare", "wait", "network" and "write".
        error: Why it failed, a sentence; empty where it did not.
    """

    case: BatchCase
    rows: tuple[dict, ...] = ()
    modality: str = ""
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] | None = None
    error: str = ""


def case_folder(output: Path, case: BatchCase) -> Path:
    """Where the results of a case are."""
    return output / case.id


def segmentation_name(case: BatchCase) -> str:
    """Of its file."""
    return f"{case.id}.seg.nrrd"


def segmentation_of(output: Path, case: BatchCase) -> Path:
    """The segmentation of a case."""
    return case_folder(output, case) / segmentation_name(case)


def stamps(image: Path) -> list[list]:
    """Name, size and times of change of the files of a scan; empty where they do not tell whether it changed."""
    if image.name.lower().endswith(_HEADERS):
        return []
    files = sorted(file for file in image.rglob("*") if file.is_file()) if image.is_dir() else [image]
    named = [(file.relative_to(image.parent).as_posix(), file.stat()) for file in files]
    # the second time tells of files that were unpacked or copied together with their first one
    return [[name, status.st_size, status.st_mtime_ns, status.st_ctime_ns] for name, status in named]


def read_kept(case: BatchCase, settings: Settings) -> tuple[Result | None, str]:
    """What is kept of a case: its result; and what it was made with that has changed, in words.

    Neither where nothing is kept.

    Raises:
        InputError: Its folder is there and holds no result.
    """
    folder = case_folder(settings.output, case)
    if not folder.exists():
        return None, ""
    try:
        done = json.loads((folder / DONE).read_text(encoding="utf-8"))
        rows = json.loads((folder / MEASUREMENTS).read_text(encoding="utf-8"))
        fingerprint, content = done["settings"], done["content"]
        result = Result(case, tuple(rows), done["modality"], tuple(done["notes"]), done["seconds"])
        told = done["stamps"] if done["image"] == str(case.image) else []
        segmentation_of(settings.output, case).stat()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder} is there but holds no result of a batch; move it, or choose another --output."
        ) from error
    wanted = settings.fingerprint(case.modality)
    changed = [_WORDS.get(key, "other settings") for key in wanted if wanted[key] != fingerprint.get(key)]
    if not changed and not _same_content(case, told, content):
        changed.append("another scan")
    return result, ", ".join(dict.fromkeys(changed))


def changed_by_hand(output: Path, case: BatchCase) -> list[str]:
    """What in the folder of a kept result no batch wrote, or was changed since; names."""
    folder, segmentation = case_folder(output, case), segmentation_of(output, case)
    ours = {DONE, MEASUREMENTS, PICTURE, segmentation.name}
    names = sorted(path.name for path in folder.iterdir() if path.name not in ours and not path.name.startswith("."))
    done = json.loads((folder / DONE).read_text(encoding="utf-8"))
    return names if done.get("segmentation") == sha256_of(segmentation) else [segmentation.name, *names]


def _same_content(case: BatchCase, told: list, content: str) -> bool:
    if told and told == stamps(case.image):
        return True
    try:
        return Volume.read(case.image, case.modality).content_hash == content
    except SATError:  # it is found again, and said, when the case is worked on
        return False


@contextmanager
def new_results(output: Path, case: BatchCase) -> Iterator[Path]:
    """A hidden folder that takes the place of the case's once the block ends well, and is removed otherwise.

    Raises:
        SATError: It cannot be written.
    """
    target = case_folder(output, case)
    part = output / f".{case.id}.{uuid4().hex[:8]}.part"
    try:
        part.mkdir()
        yield part
        old = part.with_suffix(".old")
        if target.exists():  # what was done with other settings, and is to be done anew
            target.replace(old)
        part.replace(target)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise SATError(
            f"{target} cannot be written ({error.strerror or error}); free space, or choose another."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_done(folder: Path, case: BatchCase, settings: Settings, content: str, told: list, result: Result) -> None:
    """Writes what `read_kept` reads besides the measurements.

    Args:
        folder: From `new_results`.
        case, settings: What was asked.
        content: `Volume.content_hash`.
        told: `stamps` from before the scan was read.
        result: Whose modality, notes and seconds are kept.
    """
    values = {
        "image": str(case.image),
        "segmentation": sha256_of(folder / segmentation_name(case)),
        "content": content,
        "stamps": told,
        "settings": settings.fingerprint(case.modality),
        "modality": result.modality,
        "notes": result.notes,
        "seconds": result.seconds,
    }
    (folder / DONE).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


@contextmanager
def alone(output: Path) -> Iterator[None]:
    """Keeps other batches from a folder of results while the block runs.

    Raises:
        InputError: One is at work there.
    """
    from filelock import FileLock, Timeout

    path = output / ".lock"
    lock = FileLock(path)
    try:
        with suppress(NotImplementedError):  # some disks of clusters know no locks
            lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"Another batch is at work in {output}; wait until it has ended, or choose another --output."
        ) from error
    try:
        yield
    finally:
        with suppress(OSError):  # Windows does it itself
            path.unlink()
        lock.release()


def remove_parts(output: Path) -> None:
    """Removes what interrupted runs left, and puts back what they had moved aside."""
    for path in output.iterdir() if output.is_dir() else ():
        if not (part := _PART.fullmatch(path.name)):
            continue
        if part["kind"] == "old" and not (output / part["id"]).exists():
            path.replace(output / part["id"])
        else:
            shutil.rmtree(path, ignore_errors=True)
