"""Cases of data sets that a `dataset.json` describes: nnU-Net v2 and v1, Medical Segmentation Decathlon."""

from __future__ import annotations

import json
from pathlib import Path

from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging import modality_of_word

from .case import Case, Label
from .masks import MASK_ENDINGS, stem_of

DATASET_JSON = "dataset.json"
_BACKGROUND = "background"


def cases_of_nnunet(folder: Path, channel: str = "", modality: str = "") -> list[Case]:
    """Training cases of a folder of nnU-Net v2 (`imagesTr`, `labelsTr`, `dataset.json`).

    Every label is annotated in every case. A region, made of several values, is several labels of one name. The data
    set is called as its folder.

    Args:
        folder: With `dataset.json`.
        channel: Number or name of the one to train on, where there are several.
        modality: Of that channel, where its name does not say it.

    Raises:
        InputError: The description is damaged, files are missing, or a channel must be chosen.
    """
    values = read_description(folder / DATASET_JSON)
    number, modality = _channel(folder, values.get("channel_names") or values.get("modality"), channel, modality)
    labels = _labels(folder, values)
    pairs = _listed(folder, values, number) if "dataset" in values else _globbed(folder, values, number)
    expected = values.get("numTraining", len(pairs))
    if not pairs or len(pairs) != expected:
        raise InputError(
            f"{folder} should hold {expected} training cases and holds {len(pairs)}; complete it, or correct "
            f"numTraining in {DATASET_JSON}."
        )
    return [_case(name, image, mask, labels, modality, folder) for name, image, mask in pairs]


def cases_of_decathlon(path: Path, channel: str = "", modality: str = "") -> list[Case]:
    """Training cases of a task of the Medical Segmentation Decathlon, or of nnU-Net v1.

    Args:
        path: The task's folder, or its `dataset.json`.
        channel, modality: As for `cases_of_nnunet`.

    Raises:
        InputError: The description is damaged, files are missing, or an image holds several channels in one file.
    """
    description = path / DATASET_JSON if path.is_dir() else path
    folder = description.parent
    values = read_description(description)
    number, word = _channel(folder, values.get("modality"), channel, modality)
    labels = _labels(folder, values)
    cases = []
    try:
        pairs = [(folder / row["image"], folder / row["label"]) for row in values["training"]]
    except (KeyError, TypeError) as error:
        raise InputError(f"{description} has no list of training images and labels; correct it.") from error
    for image, mask in pairs:
        name = stem_of(image)
        if not image.exists():  # nnU-Net v1 lists images without the number of the channel
            image = image.with_name(f"{name}_{number:04d}{image.name[len(name) :]}")
        elif len(values["modality"]) > 1:
            raise InputError(
                f"{folder} has {len(values['modality'])} channels in each image's file and SAT reads one: write the "
                "one wanted to files of their own, and give image and mask by patterns or in a case list."
            )
        cases.append(_case(name, image, mask, labels, word, folder))
    if not cases:
        raise InputError(f"{description} lists no training cases; give another data set.")
    return cases


def read_description(path: Path) -> dict:
    """The values of a `dataset.json`.

    Raises:
        InputError: It is missing or damaged.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"There is no file {path}; give the folder that holds it.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}; correct it.") from error
    if not isinstance(values, dict) or not isinstance(values.get("labels"), dict):
        raise InputError(f"{path} describes no labels; it must be the {DATASET_JSON} of nnU-Net or of the Decathlon.")
    return values


def _channel(folder: Path, names, channel: str, modality: str) -> tuple[int, str]:
    """Number and modality of the channel to train on."""
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        raise InputError(f"{folder / DATASET_JSON} names no channels; add channel_names.")
    names = {str(number): str(name) for number, name in names.items()}
    chosen = [number for number, name in names.items() if channel in (number, name)]
    if len(names) == 1 and not channel:
        chosen = list(names)
    if len(chosen) != 1:
        listed = ", ".join(f"{number} {name}" for number, name in names.items())
        wrong = f'there is no channel "{channel}"; ' if channel and not chosen else ""
        raise InputError(
            f"{folder} has {len(names)} channels ({listed}) and SAT sees one: {wrong}choose one by its number or name."
        )
    name = names[chosen[0]]
    try:
        return int(chosen[0]), modality_of_word(modality or name)
    except ValueError:
        raise InputError(
            f'"{modality or name}", the channel of {folder}, is no modality SAT knows; say whether it is ct, mri, '
            "pet or us."
        ) from None


def _labels(folder: Path, values: dict) -> tuple[Label, ...]:
    """nnU-Net v2 writes name: value or values; v1 and the Decathlon value: name."""
    labels = []
    try:
        for key, given in values["labels"].items():
            name, numbers = (given, [key]) if isinstance(given, str) else (key, given)
            numbers = numbers if isinstance(numbers, list | tuple) else [numbers]
            if name.lower() != _BACKGROUND:
                labels += [Label(name, int(number)) for number in numbers if int(number)]  # 0 is always the background
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The labels in {folder / DATASET_JSON} are no names and values: {error}; correct it."
        ) from error
    if not labels:
        raise InputError(f"{folder / DATASET_JSON} names no label but the background; correct it.")
    return tuple(labels)


def _listed(folder: Path, values: dict, number: int) -> list[tuple[str, Path, Path]]:
    try:
        rows = values["dataset"].items()
        return [(name, folder / row["images"][number], folder / row["label"]) for name, row in rows]
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise InputError(f'"dataset" in {folder / DATASET_JSON} lists no images and labels; correct it.') from error


def _globbed(folder: Path, values: dict, number: int) -> list[tuple[str, Path, Path]]:
    ending = values.get("file_ending", ".nii.gz")
    if ending not in MASK_ENDINGS:
        raise InputError(f"{folder} holds {ending} files; SAT trains on volumes: {', '.join(MASK_ENDINGS)}.")
    pairs = []
    for mask in sorted((folder / "labelsTr").glob(f"*{ending}")):
        name = mask.name.removesuffix(ending)
        if not name.startswith("."):  # what macOS leaves beside files
            pairs.append((name, folder / "imagesTr" / f"{name}_{number:04d}{ending}", mask))
    return pairs


def _case(name: str, image: Path, mask: Path, labels, modality: str, folder: Path) -> Case:
    for file in (image, mask):
        if not file.exists():
            raise InputError(f"There is no file {file}, which belongs to the case {name}; complete the data set.")
    return Case(name, image, mask, labels, modality, folder.resolve().name)
