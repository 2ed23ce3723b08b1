"""The text encoder that is taught: where it comes from, which of it is frozen, and what a step needs of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SATSegmentLib.errors import InputError, ModelError
from SATSegmentLib.imaging.modality import MODALITIES
from SATSegmentLib.models.folder import ModelFolder
from SATSegmentLib.models.loading import load_text_encoder, minilm_folder
from SATSegmentLib.models.registry import ModelInfo, find_model
from SATSegmentLib.network.text_encoder import SpellingHead, TextEncoder

from .. import encoder_folder
from .config import KnowledgeConfig

_AT_ONCE = 128  # texts through a frozen transformer
_MODALITY = 0.02  # standard deviation of what a modality adds to a new head's queries
_SPREAD = 5.0  # of the pooled text of MiniLM, whose texts on anatomy lie close together


@dataclass(frozen=True, eq=False)
class Source:
    """A text encoder to teach.

    Attributes:
        encoder: Before its first step.
        kind: As `ModelFolder.text`: "minilm-spelling", "minilm-knowledge" or "mpnet".
        new_head: Whether its head knows nothing yet.
    """

    encoder: TextEncoder
    kind: str
    new_head: bool


def source_of(config: KnowledgeConfig) -> Source:
    """The text encoder that a configuration names; a new head is made from torch's global random numbers.

    Raises:
        InputError: There is no such encoder, or it cannot be taught.
        ModelError: It is not installed, or damaged.
    """
    if config.encoder == "minilm":
        encoder = TextEncoder.from_folder(minilm_folder(), config.width, SpellingHead)
        with torch.no_grad():  # else the first steps find all texts alike
            encoder.head.refinement[0].weight[:, : encoder.tower.config.hidden_size] *= _SPREAD
        return _new(encoder, "minilm-spelling")
    folder = Path(config.encoder)
    if (folder / encoder_folder.RESULT).is_file():
        kind, encoder = encoder_folder.load(folder)
        return Source(encoder, kind, False)
    if (folder / "config.json").is_file():
        _check_transformer(folder)
        return _new(TextEncoder.from_folder(folder, config.width), "mpnet")
    model = _model(config.encoder)
    of = ModelFolder.read(model.folder)
    return Source(load_text_encoder(model.folder, of), of.text, False)


def check_encoder(config: KnowledgeConfig) -> None:
    """Refuses an encoder that is not there, without reading its weights.

    Raises:
        InputError, ModelError: As `source_of`.
    """
    folder = Path(config.encoder)
    if config.encoder == "minilm":
        minilm_folder()
    elif (folder / "config.json").is_file():
        _check_transformer(folder)
    elif not (folder / encoder_folder.RESULT).is_file():
        _model(config.encoder)


def _new(encoder: TextEncoder, kind: str) -> Source:
    nn.init.normal_(encoder.head.modality_embed.weight, std=_MODALITY)
    return Source(encoder, kind, True)


def _check_transformer(folder: Path) -> None:
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder} holds no transformer as Hugging Face saves it; name another encoder.") from error
    if kind != "mpnet":
        raise InputError(f"{folder} is a {kind} transformer; models hold MPNet ones only, such as BioLORD-2023-C.")


def _model(name: str) -> ModelInfo:
    model = find_model(name)
    if not model.installed:
        raise ModelError(f"{model.name} is not installed; install it first, or name another encoder.")
    if ModelFolder.read(model.folder).text == "minilm":
        raise InputError(
            f'The text head of {model.name} has no room for knowledge; set "encoder" to "minilm" for a new one.'
        )
    return model


class Texts(nn.Module):
    """Texts to embeddings, in training.

    Args:
        source: Whose encoder is taught.
        frozen_layers: See `KnowledgeConfig`.

    Attributes:
        frozen: Whether the whole transformer is.
        known: What it says of texts (tower width,), where it is frozen; see `means`.
    """

    def __init__(self, source: Source, frozen_layers: int) -> None:
        super().__init__()
        self.encoder = source.encoder
        tower = self.encoder.tower
        layers = tower.encoder.layer
        self.frozen = source.kind != "mpnet" or frozen_layers >= len(layers)
        if (pooler := getattr(tower, "pooler", None)) is not None:  # not used by SAT
            pooler.requires_grad_(False)
        if self.frozen:
            tower.requires_grad_(False)
        elif frozen_layers:
            for module in (tower.embeddings, *layers[:frozen_layers]):
                module.requires_grad_(False)
            if hasattr(tower.encoder, "relative_attention_bias"):  # which all of MPNet's layers share
                tower.encoder.relative_attention_bias.requires_grad_(False)
        self.encoder.head.requires_grad_(True)
        self.known: dict[str, np.ndarray] = {}
        self._read: dict[str, str] = {}

    def train(self, mode: bool = True) -> Texts:
        super().train(mode)
        if self.frozen:
            self.encoder.tower.eval()
        return self

    def forward(self, texts: Sequence[str], modalities: Sequence[str] | None = None) -> Tensor:
        """Unit vectors (N, width) of lower-case texts, on their own or each as asked of a modality."""
        head = self.encoder.head
        pooled = self.refined(list(texts))
        if modalities is None:
            return F.normalize(head.projection_layer(pooled), dim=1)
        index = torch.tensor([MODALITIES.index(modality) for modality in modalities], device=pooled.device)
        return F.normalize(head(pooled, index), dim=1)

    def refined(self, texts: list[str]) -> Tensor:
        """What is projected of each text (N, tower width)."""
        return self.encoder.head.refine(self.mean(texts), read_back(self.encoder, texts, self._read))

    def mean(self, texts: list[str]) -> Tensor:
        """What the transformer says of each text (N, tower width)."""
        device = self.encoder.head.modality_embed.weight.device
        if not texts:
            return torch.zeros(0, self.encoder.tower.config.hidden_size, device=device)
        if self.frozen and all(text in self.known for text in texts):
            return torch.from_numpy(np.stack([self.known[text] for text in texts])).float().to(device)
        return self.encoder.mean(*(x.to(device) for x in self.encoder.tokenizer(texts)))


def read_back(encoder: TextEncoder, texts: Sequence[str], known: dict[str, str]) -> list[str]:
    """Texts as the encoder's tokenizer gives them back to its head; none where the head reads none.

    Args:
        encoder: Whose.
        texts: Lower case.
        known: Those read before, to which the new ones are added.
    """
    if not encoder.head.reads_texts:
        return []
    if new := [text for text in dict.fromkeys(texts) if text not in known]:
        known.update(zip(new, encoder.tokenizer.texts(encoder.tokenizer(new)[0]), strict=True))
    return [known[text] for text in texts]


def in_batches(encode, texts: list[str]) -> np.ndarray:
    """The rows (N, C) that `encode` gives for parts of the texts, in the texts' order; alike lengths go together."""
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    starts = range(0, len(order), _AT_ONCE)
    parts = [encode([texts[row] for row in order[start : start + _AT_ONCE]]).float().cpu() for start in starts]
    vectors = np.empty((len(texts), parts[0].shape[1]), np.float32)
    vectors[order] = torch.cat(parts).numpy()
    return vectors
