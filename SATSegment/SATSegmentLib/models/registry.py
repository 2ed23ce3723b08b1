"""The models known, and whether they are here."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, ModelError
from ..resources import resource
from .folder import CONFIG, ModelFolder


@dataclass(frozen=True)
class HubFiles:
    """Where a published model's files are.

    Attributes:
        repository: Of checkpoint and text encoder.
        checkpoint, text_encoder: Files in it. They belong together.
        vocabulary_repository, vocabulary: Where the tokenizer's vocabulary is.
        download_mb: Size of all.
        terms: Page with the terms of use.
    """

    repository: str
    checkpoint: str
    text_encoder: str
    vocabulary_repository: str
    vocabulary: str
    download_mb: int
    terms: str


@dataclass(frozen=True)
class ModelInfo:
    """A model of the manifest, or one of the user's own.

    Attributes:
        name: What it is called on the command line.
        title, note: For people.
        modalities: It was trained for.
        folder: Where it is, or would be.
        built_in: Whether it came with the extension.
        network: Named configuration, for models that must be converted.
        hub: Where to download it from.
    """

    name: str
    title: str
    note: str
    modalities: tuple[str, ...]
    folder: Path
    built_in: bool = False
    network: str | None = None
    hub: HubFiles | None = None

    @property
    def installed(self) -> bool:
        """Whether its files are here."""
        return (self.folder / CONFIG).is_file()

    @property
    def downloads(self) -> Path:
        """Where its published files are kept until they are converted."""
        return data_folder() / "downloads" / self.name

    @property
    def downloaded(self) -> list[Path]:
        """Its published files, whole and checked: checkpoint, text encoder, vocabulary; empty unless all are here."""
        if self.hub is None:
            return []
        names = (self.hub.checkpoint, self.hub.text_encoder, self.hub.vocabulary)
        files = [self.downloads / Path(name).name for name in names]
        return files if all(file.is_file() for file in files) else []


def data_folder() -> Path:
    """Where models and caches are kept: `SATSEGMENT_HOME`, else the platform's user data folder."""
    from platformdirs import user_data_path

    home = os.environ.get("SATSEGMENT_HOME")
    return Path(home) if home else user_data_path("SlicerSAT", appauthor=False)


def models_folder() -> Path:
    """Where installed models are kept."""
    return data_folder() / "models"


def list_models() -> list[ModelInfo]:
    """The manifest's models, then the user's own, by name."""
    manifest = json.loads(resource("Models", "manifest.json").read_text(encoding="utf-8"))
    known = {name: _from_manifest(name, values) for name, values in manifest.items()}
    folder = models_folder()
    own = sorted(path.parent for path in folder.glob(f"[!.]*/{CONFIG}")) if folder.is_dir() else []
    return [*known.values(), *(_own(path) for path in own if path.name not in known)]


def find_model(name: str) -> ModelInfo:
    """The model called `name`, or the one in the folder `name`.

    Raises:
        InputError: There is none.
    """
    models = {model.name: model for model in list_models()}
    if name in models:
        return models[name]
    if (Path(name) / CONFIG).is_file():
        return _from_folder(Path(name))
    raise InputError(f'There is no model "{name}"; known are {", ".join(models)}, or give a model\'s folder.')


def remove(model: ModelInfo) -> int:
    """Deletes an installed model, or what was downloaded of one that is not installed.

    Returns:
        Bytes freed.

    Raises:
        InputError: It is built in, lies outside the models folder, or nothing of it is here.
    """
    if model.built_in:
        raise InputError(f"{model.name} came with the extension and cannot be removed.")
    folder = model.folder if model.installed else model.downloads
    if not folder.is_dir():
        raise InputError(f"{model.name} is not installed.")
    if model.installed and models_folder().resolve() not in folder.resolve().parents:
        raise InputError(f"{folder} is no model that was installed here; delete the folder yourself.")
    size = disk_use(folder)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise ModelError(f"{folder} cannot be removed: {error}.") from error
    return size


def disk_use(folder: Path) -> int:
    """Bytes of all files in a folder; 0 where there is none."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # a download renames its files
            size += path.stat().st_size if path.is_file() else 0
    return size


def _from_manifest(name: str, values: dict) -> ModelInfo:
    built_in = values.get("built_in", False)
    hub = None
    if "hub" in values:
        files = dict(values["hub"])
        vocabulary = files.pop("vocabulary")
        hub = HubFiles(**files, vocabulary_repository=vocabulary["repository"], vocabulary=vocabulary["file"])
    return ModelInfo(
        name=name,
        title=values["title"],
        note=values["note"],
        modalities=tuple(values["modalities"]),
        folder=resource("Models", name) if built_in else models_folder() / name,
        built_in=built_in,
        network=values["network"],
        hub=hub,
    )


def _own(folder: Path) -> ModelInfo:
    """A model in the models folder, under its folder's name; one that cannot be read can still be removed."""
    try:
        return dataclasses.replace(_from_folder(folder), name=folder.name)
    except ModelError as error:
        return ModelInfo(folder.name, folder.name, str(error), (), folder)


def _from_folder(folder: Path) -> ModelInfo:
    config = ModelFolder.read(folder)
    return ModelInfo(config.name, config.name, config.note, config.modalities, folder)
