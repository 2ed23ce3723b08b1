"""Cases of a folder whose files are paired by their names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from SATSegmentLib.errors import Cancelled, InputError
from SATSegmentLib.imaging import modality_of_word

from .case import Case, Label
from .masks import read_layers, segments_of

Progress = Callable[[int, int], None]  # cases done, of how many

_QUOTED = re.compile(r'\s*(\d+)\s.*"(.*)"\s*')  # ITK-SNAP: number, colour, visibility, "name"
# 3D Slicer's colour tables and FreeSurfer's: number, name, colour; and plain lists of number and name
_PLAIN = re.compile(r"\s*(\d+)\s*[\s,;:]\s*(.*?)(?:(?:[\s,]+\d+(?:\.\d+)?){3,4})?\s*")


def cases_of_folder(
    folder: Path,
    image: str,
    mask: str,
    modality: str,
    dataset: str = "",
    names: Path | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> list[Case]:
    """Pairs of image and mask, found by patterns.

    The segments of a .seg.nrrd file are its labels. Other masks are read: each value in one is a label of that
    case, and only those, for what is not in it may not have been looked for. Images without a mask are left out.

    Args:
        folder: Where the patterns begin.
        image, mask: With one "*" each, which stands for the same text, the case's id: "*_ct.nii.gz", "masks/*.nrrd".
        modality: A word for it, such as "CT" or "T1".
        dataset: What to call the data set; the folder's name if empty.
        names: A file that names the masks' values: see `read_names`. Values without a name are called by their number.
        progress: Called after each case.
        cancelled: Asked before each case.

    Raises:
        InputError: A pattern is wrong, nothing was found, a mask has no image or a file cannot be read.
        Cancelled: `cancelled` said so.
    """
    modality = modality_of_word(modality)
    called = read_names(names) if names else {}
    pairs = _pairs(folder, image, mask)
    cases = []
    for done, (key, image_file, mask_file) in enumerate(pairs):
        if cancelled and cancelled():
            raise Cancelled
        case = Case(key, image_file, mask_file, (), modality, dataset or folder.resolve().name)
        cases.append(_labelled(case, called))
        if progress:
            progress(done + 1, len(pairs))
    return cases


def read_names(path: Path) -> dict[int, str]:
    """Mask values and their names: JSON (value to name or name to value), 3D Slicer's colour tables (.ctbl), ITK-SNAP's
    label descriptions, FreeSurfer's look-up tables, or lines of number and name.

    Raises:
        InputError: The file is missing or holds no names.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        names = dict(_pairs_of_json(json.loads(text)) if path.suffix.lower() == ".json" else _pairs_of_lines(text))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); give the file that names the masks' values."
        ) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} cannot be read as names of values: {error}.") from error
    names.pop(0, None)
    if not names:
        raise InputError(f'{path} names no values; write one a line, such as "1 liver".')
    return names


def _pairs_of_json(values: dict):
    for key, value in values.items():
        yield (int(key), value) if isinstance(value, str) else (int(value), key)


def _pairs_of_lines(text: str):
    for line in text.splitlines():
        if (found := _QUOTED.fullmatch(line) or _PLAIN.fullmatch(line)) and found[2].strip():
            yield int(found[1]), found[2].strip()


def _pairs(folder: Path, image: str, mask: str) -> list[tuple[str, Path, Path]]:
    for pattern in (image, mask):
        if pattern.count("*") != 1 or set("?[") & set(pattern) or Path(pattern).is_absolute():
            raise InputError(f'"{pattern}" is no pattern: it needs one "*" for the case\'s name, as in "*_ct.nii.gz".')
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.")
    masks, images = (
        {_star(folder, pattern, file): file for file in _seen(folder, pattern)} for pattern in (mask, image)
    )
    both = set(masks.values())
    images = {key: file for key, file in images.items() if file not in both}
    if not masks.keys() & images.keys():
        raise InputError(
            f'In {folder} no image "{image}" has a mask "{mask}" of the same name ({len(images)} images, {len(masks)} '
            "masks); correct the patterns."
        )
    if alone := sorted(masks.keys() - images.keys()):
        missing = folder / image.replace("*", alone[0])
        raise InputError(
            f"{masks[alone[0]]} is a mask without an image: there is no {missing}; add it or remove the mask."
        )
    return [(key, images[key], file) for key, file in masks.items()]


def _seen(folder: Path, pattern: str) -> list[Path]:
    """The files of a pattern without hidden ones, which macOS leaves beside others."""
    return sorted(file for file in folder.glob(pattern) if not file.name.startswith("."))


def _star(folder: Path, pattern: str, file: Path) -> str:
    """The text that "*" stands for."""
    before, _, after = Path(pattern).as_posix().partition("*")
    name = file.relative_to(folder).as_posix()
    return name[len(before) : len(name) - len(after)]


def _labelled(case: Case, called: dict[int, str]) -> Case:
    labels = segments_of(case.mask) if case.mask.name.lower().endswith(".seg.nrrd") else ()
    if not labels:
        layers, _ = read_layers(case)
        labels = tuple(
            Label(called.get(value, str(value)), value, layer)
            for layer in range(layers.shape[3])
            for value in map(int, np.unique(layers[..., layer]))
            if value
        )
    return replace(case, labels=labels)
