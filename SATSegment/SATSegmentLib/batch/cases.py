"""The scans of a batch: those of a folder, or those of a list."""

from __future__ import annotations

import csv
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..imaging import modality_of_word
from ..imaging.dicom_series import is_marked

_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
_RESULTS = (".seg.nrrd", ".seg.nhdr")  # segmentations, which are no scans
_INDEX = "dicomdir"  # of DICOM files that lie below
_LOOKED_AT = 20  # files of a folder, to see whether they are DICOM
_SHOWN = 3  # problems of a list
# What every file system takes as a name; longer ones are made of it
_ID = re.compile(r"(?![ .])[^\x00-\x1f\ud800-\udfff<>:\"/\\|?*]{1,100}(?<![ .])")
_MOST_BYTES = 200
# Windows' devices, and names of our own files beside the cases' folders
_TAKEN = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*\.(csv|html)", re.IGNORECASE)


@dataclass(frozen=True)
class BatchCase:
    """One scan.

    Attributes:
        id: The name of its folder of results, unique in its batch.
        image: What `Volume.read` reads, absolute.
        modality: "ct", "mri", "pet" or "us"; None to find out.
    """

    id: str
    image: Path
    modality: str | None = None


def find_cases(source: Path, output: Path, modality: str | None = None) -> list[BatchCase]:
    """The scans of a folder and its sub-folders (files, and folders of DICOM files), sorted; or those of a list.

    A list is .jsonl (an object a line) or .csv (a header, then a line a case), with `id`, `image` (relative to the
    list) and, where it is known, `modality`.

    Args:
        source: The folder or list.
        output: Where results go, which are no scans.
        modality: Of scans of which the list does not tell it.

    Raises:
        InputError: There are none, or the list is wrong: a file is missing, an id comes twice or is no name.
    """
    if source.is_dir():
        cases = [BatchCase(name, image, modality) for name, image in _of_folder(source, output)]
        if not cases:
            raise InputError(
                f"There is no scan in {source}; NIfTI, NRRD, MetaImage and folders of DICOM files are looked for."
            )
        problems = []
    elif source.suffix.lower() in (".jsonl", ".csv"):
        cases, problems = _of_list(source, modality)
    else:
        raise InputError(f"{source} is neither a folder nor a list of cases (.jsonl, .csv) that is there.")
    problems += [*_not_text(cases), *_doubles(cases)]
    if problems:
        more = f" And {len(problems) - _SHOWN} more." if len(problems) > _SHOWN else ""
        raise InputError(f"{source}: {' '.join(problems[:_SHOWN])}{more}")
    if not cases:
        raise InputError(f"{source} lists no case.")
    return cases


def _of_folder(source: Path, output: Path) -> Iterator[tuple[str, Path]]:
    source, output = source.absolute(), output.resolve()
    for name, folders, files in os.walk(source, onerror=_refuse):
        folder = Path(name)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and (folder / f).resolve() != output)
        shown = sorted(file for file in files if not file.startswith("."))
        scans = [file for file in shown if file.lower().endswith(_SUFFIXES) and not file.lower().endswith(_RESULTS)]
        for file in scans:
            yield _id(source, folder / _stem(file)), folder / file
        others = [file for file in shown if not file.lower().endswith(_SUFFIXES) and file.lower() != _INDEX]
        if any(_is_dicom(folder / file) for file in others[:_LOOKED_AT]):
            yield _id(source, folder) if folder != source else _plain(source.name), folder


def _refuse(error: OSError) -> None:
    raise InputError(f"{error.filename} cannot be looked into ({error.strerror}); allow it, or give a list.") from error


def _stem(file: str) -> str:
    return file[: -len(max((suffix for suffix in _SUFFIXES if file.lower().endswith(suffix)), key=len))]


def _id(source: Path, path: Path) -> str:
    return _plain("_".join(path.relative_to(source).parts))


def _plain(name: str) -> str:
    name = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", name))
    name = name.encode()[-_MOST_BYTES // 2 :].decode("utf-8", "ignore").strip("._") or "scan"
    return f"{name}_scan" if _TAKEN.fullmatch(name) else name


def _is_dicom(path: Path) -> bool:
    try:
        return is_marked(path)
    except OSError:
        return False


def _of_list(path: Path, modality: str | None) -> tuple[list[BatchCase], list[str]]:
    """The cases of a list, and what is wrong with it."""
    if not path.is_file():
        raise InputError(f"There is no list of cases {path}.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a list of cases: {error}.") from error
    cases, problems = [], []
    for number, row in _csv_rows(path, text) if path.suffix.lower() == ".csv" else _json_rows(text):
        try:
            cases.append(_case(row, path.absolute().parent, modality))
        except InputError as error:
            problems.append(f"Line {number}: {error}")
    return cases, problems


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, dict]]:
    lines = text.splitlines()
    header = lines[0] if lines else ""
    # what spreadsheets write where the comma is the decimal sign
    reader = csv.DictReader(lines, delimiter=";" if ";" in header and "," not in header else ",")
    names = [name.strip().lower() for name in reader.fieldnames or ()]
    if not {"id", "image"} <= set(names):
        raise InputError(f"{path} needs a first line with the columns id and image; modality may follow.")
    reader.fieldnames = names
    for row in reader:
        yield reader.line_num, row


def _json_rows(text: str) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError:
                yield number, None


def _case(row: object, folder: Path, modality: str | None) -> BatchCase:
    if not isinstance(row, dict):
        raise InputError('it is no object such as {"id": "a1", "image": "a1.nii.gz"}.')
    case_id, image = (str(row[key] if row.get(key) is not None else "").strip() for key in ("id", "image"))
    if not case_id or not image:
        raise InputError(f"{'image' if case_id else 'id'} is missing; add it.")
    if not _ID.fullmatch(case_id) or _TAKEN.fullmatch(case_id) or len(case_id.encode()) > _MOST_BYTES:
        raise InputError(f'the id "{case_id}" cannot be the name of a folder; use letters, digits, "_" and "-".')
    if not (folder / image).exists():
        raise InputError(f"there is no file {folder / image}; correct the path.")
    told = str(row.get("modality") or "").strip()
    return BatchCase(case_id, folder / image, modality_of_word(told) if told else modality)


def _not_text(cases: Iterable[BatchCase]) -> list[str]:
    problems = []
    for case in cases:
        try:
            str(case.image).encode()
        except UnicodeEncodeError:  # a table or page cannot name it
            problems.append(f"The name of {case.image} is no text in UTF-8; rename it.")
    return problems


def _doubles(cases: Iterable[BatchCase]) -> list[str]:
    first: dict[str, BatchCase] = {}
    problems = []
    for case in cases:
        # some file systems take no notice of capitals, nor of how an accent is written
        other = first.setdefault(unicodedata.normalize("NFC", case.id).casefold(), case)
        if other is not case:
            problems.append(
                f'The id "{case.id}" stands for {other.image} and for {case.image}; give each case its own in a list.'
            )
    return problems
