"""A text encoder that was taught, as a folder.

    encoder.json        kind of the text, width of a query, SHA-256 of the package's transformer
    text.safetensors    the head, or the whole encoder where the transformer is not a package's
    vocab.txt           the vocabulary, where it is not a package's

The files are those of a model folder, so a model that is trained with the encoder takes them over as they are. PyTorch
is imported by what reads or writes weights only: a job folder is written without it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from SATSegmentLib.errors import InputError, ModelError
from SATSegmentLib.models.download import sha256_of
from SATSegmentLib.models.folder import TEXT, TOKENS, new_folder

if TYPE_CHECKING:
    from SATSegmentLib.network.text_encoder import TextEncoder

RESULT = "encoder.json"
_FORMAT = 1


def save(folder: Path, kind: str, encoder: TextEncoder) -> None:
    """Writes the folder; one that is there is replaced.

    Args:
        folder: Of the result.
        kind: "minilm-spelling", "minilm-knowledge" or "mpnet".
        encoder: It.

    Raises:
        ModelError: The folder cannot be written.
    """
    from SATSegmentLib.models.loading import minilm_folder
    from SATSegmentLib.network.checkpoints import save_weights

    values = {"format": _FORMAT, "text": kind, "width": encoder.head.modality_embed.embedding_dim, "transformer": ""}
    with new_folder(folder) as new:
        if kind == "mpnet":
            save_weights(encoder, new / TEXT)
            shutil.copyfile(encoder.tokenizer.vocabulary, new / TOKENS)
        else:
            values["transformer"] = sha256_of(minilm_folder() / "model.safetensors")
            save_weights(encoder.head, new / TEXT, half=True)
        (new / RESULT).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)


def check(folder: Path, width: int) -> str:
    """Refuses, without reading weights, a folder that is no text encoder for a network.

    Args:
        folder: To check.
        width: The network's `text_width`.

    Returns:
        Kind of the text, as in `ModelFolder`.

    Raises:
        InputError: It is none, or its queries are of another width.
        ModelError: It is of another version.
    """
    if not (folder / RESULT).is_file():
        raise InputError(f"{folder} holds no text encoder; name the folder `encoder` of a run that has taught one.")
    kind, _, own = _read(folder)
    if own != width:
        raise InputError(f"The queries of the text encoder in {folder} have {own} values, the network takes {width}.")
    return kind


def load(folder: Path) -> tuple[str, TextEncoder]:
    """Kind and encoder.

    Raises:
        ModelError: The folder is damaged, of another version, or the package's transformer is another one.
    """
    from SATSegmentLib.models.loading import read_text_encoder

    kind, transformer, width = _read(folder)
    return kind, read_text_encoder(folder, kind, transformer, width, folder.name)


def copy(folder: Path, target: Path) -> None:
    """Copies the files, writable wherever they come from, over those that are in `target`.

    Raises:
        OSError: One cannot be read or written.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name in (RESULT, TEXT, TOKENS):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, target / name)


def same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same text encoder."""
    files = one / TEXT, other / TEXT
    return all(file.is_file() for file in files) and sha256_of(files[0]) == sha256_of(files[1])


def _read(folder: Path) -> tuple[str, str, int]:
    """Kind, SHA-256 of the transformer, width."""
    path = folder / RESULT
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        kind, transformer, width, version = (values[key] for key in ("text", "transformer", "width", "format"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is missing or damaged ({error}); train the text encoder again.") from error
    if version != _FORMAT:
        raise ModelError(f"{path} was written by another version of SlicerSAT; train the text encoder again.")
    return kind, transformer, width
