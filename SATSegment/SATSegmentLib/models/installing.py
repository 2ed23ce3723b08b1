"""From published files to an installed model."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..anatomy import sat_classes
from ..errors import InputError, ModelError
from ..network import SAT, SATConfig, load_published
from ..network.checkpoints import load_published_text_encoder, save_weights
from ..network.text_encoder import WordPieceTokenizer
from .archive import unpack
from .download import download, hub_url
from .folder import CONFIG, DOCUMENTS, NETWORK, TEXT, TOKENS, ModelFolder, TrainedTerm, new_folder, write_terms
from .registry import ModelInfo, find_model, list_models, models_folder

FileProgress = Callable[[str, int, "int | None"], None]
"""Called with a file's name, the bytes done and the bytes in all, where known."""


def convert(
    model: ModelInfo, checkpoint: Path, text_encoder: Path, vocabulary: Path, target: Path, half: bool = False
) -> None:
    """Writes a published model in our own format: safetensors, each tensor once, no optimizer state.

    Args:
        model: A published model of the manifest.
        checkpoint, text_encoder, vocabulary: Its files. Checkpoint and text encoder must be a pair; this
            is known by their published names only, as neither says what it belongs to.
        target: A folder that does not exist yet.
        half: Weights in half precision.

    Raises:
        InputError: `target` exists, or the files' names are not those of a pair.
        ModelError: A file is damaged or of another model.
    """
    if model.hub is None or model.network is None:
        raise InputError(f"{model.name} is no published model, so there is nothing to convert.")
    if target.exists():
        raise InputError(f"{target} exists; remove it first, or choose another folder.")
    expected = (Path(model.hub.checkpoint).name, Path(model.hub.text_encoder).name)
    given = (checkpoint.name, text_encoder.name)
    if given != expected:
        raise InputError(
            f"{model.name} is made of {expected[0]} and {expected[1]}, which belong together; {given[0]} and "
            f"{given[1]} were given. A network with another model's text encoder runs and segments nothing useful."
        )
    for file in (checkpoint, text_encoder, vocabulary):
        if not file.is_file():
            raise InputError(f"There is no file {file}.")
    network = SAT(SATConfig.named(model.network))
    load_published(network, checkpoint)
    encoder = load_published_text_encoder(text_encoder, WordPieceTokenizer(vocabulary))
    with new_folder(target) as folder:
        save_weights(network, folder / NETWORK, half)
        save_weights(encoder, folder / TEXT, half)
        shutil.copyfile(vocabulary, folder / TOKENS)
        write_terms(folder, [TrainedTerm(term, modality) for term, modality in sat_classes()])
        ModelFolder(model.name, model.note, model.modalities, network.config, "mpnet").write(folder)


def import_model(path: Path) -> ModelInfo:
    """Installs a model from files carried over by hand.

    Args:
        path: A folder or a zip in our own format, or a folder that holds (at any depth) a published model's
            checkpoint, its text encoder and `vocab.txt`.

    Returns:
        The installed model.

    Raises:
        InputError: There is no model in `path`, more than one, or it is installed already.
        ModelError: A file is damaged.
    """
    if path.is_file():
        return _import_zip(path)
    if not path.is_dir():
        raise InputError(f"There is no folder or file {path}.")
    if (path / CONFIG).is_file():
        return _import_folder(path)
    found = sorted(file for file in path.rglob("*") if file.is_file())
    files = {file.name: file for file in found}
    complete = [model for model in list_models() if model.hub and set(_names(model)) <= set(files)]
    if len(complete) != 1:
        wanted = "; ".join(f"{model.name}: {', '.join(_names(model))}" for model in list_models() if model.hub)
        what = "more than one model's" if complete else "no complete model's"
        raise InputError(f"{path} holds {what} files. Wanted are, {wanted}.")
    (model,) = complete
    for name in _names(model):
        if sum(file.name == name for file in found) > 1:
            raise InputError(f"{path} holds more than one {name}; leave only the one of {model.name}.")
    _refuse_installed(model)
    convert(model, *(files[name] for name in _names(model)), target=model.folder)
    return model


def download_model(
    model: ModelInfo, progress: FileProgress | None = None, cancelled: Callable[[], bool] | None = None
) -> None:
    """Downloads a published model and installs it; an interrupted download goes on where it stopped.

    The caller has shown the terms of use and had them accepted.

    Raises:
        InputError: The model has no source, or is installed already.
        ModelError: The download failed; the message says what to do.
        Cancelled: `cancelled` said so.
    """
    if model.hub is None:
        raise InputError(f"{model.name} came with the extension; there is nothing to download.")
    _refuse_installed(model)
    hub = model.hub
    folder = model.downloads
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"{folder} cannot be made: {error}.") from error
    for repository, file in (
        (hub.repository, hub.checkpoint),
        (hub.repository, hub.text_encoder),
        (hub.vocabulary_repository, hub.vocabulary),
    ):
        target = folder / Path(file).name

        def file_progress(done: int, total: int | None, name: str = target.name) -> None:
            if progress:
                progress(name, done, total)

        download(hub_url(repository, file), target, progress=file_progress, cancelled=cancelled)
    convert_downloaded(model)


def convert_downloaded(model: ModelInfo) -> None:
    """Installs a model from published files that `download_model` brought, without asking the network for anything.

    Raises:
        InputError: The model is installed already, or not all of its files are here.
        ModelError: A file is damaged.
    """
    _refuse_installed(model)
    files = model.downloaded
    if not files:
        raise InputError(f"Not all files of {model.name} are here; download it first.")
    convert(model, *files, target=model.folder)
    shutil.rmtree(model.downloads, ignore_errors=True)


def _names(model: ModelInfo) -> tuple[str, str, str]:
    hub = model.hub
    return Path(hub.checkpoint).name, Path(hub.text_encoder).name, Path(hub.vocabulary).name


def _refuse_installed(model: ModelInfo) -> None:
    if model.folder.exists() and not model.installed:
        raise InputError(f"{model.folder} is in the way of {model.name}; remove it first.")
    if model.installed:
        raise InputError(f"{model.name} is installed already; run `satsegment models remove {model.name}` first.")


def _import_folder(path: Path) -> ModelInfo:
    folder = ModelFolder.read(path)
    folder.check(path)
    if any(model.built_in and model.name == folder.name for model in list_models()):
        raise InputError(f"A model called {folder.name} came with the extension; give this one another name.")
    target = models_folder() / folder.name
    if target.exists():
        raise InputError(f"A model called {folder.name} is installed already; remove it first.")
    with new_folder(target) as copy:
        for name in (CONFIG, *folder.sha256, *DOCUMENTS):
            if name not in DOCUMENTS or (path / name).is_file():
                shutil.copyfile(path / name, copy / name)
    return find_model(folder.name)


def _import_zip(path: Path) -> ModelInfo:
    try:
        models_folder().mkdir(parents=True, exist_ok=True)
        place = tempfile.TemporaryDirectory(prefix=".import-", dir=models_folder())
    except OSError as error:
        raise ModelError(f"{models_folder()} cannot be written: {error}.") from error
    with place as folder:
        unpack(path, Path(folder))
        return _import_folder(Path(folder))
