"""From the terms of a training to queries: looked up, or by a text encoder that is trained with the network."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging.modality import MODALITIES
from SATSegmentLib.inference.predictor import PromptEncoder
from SATSegmentLib.models.folder import ModelFolder
from SATSegmentLib.models.loading import LoadedModel, load_text_encoder, minilm_folder
from SATSegmentLib.models.registry import ModelInfo
from SATSegmentLib.network.text_encoder import TextEncoder

from .. import encoder_folder
from .initialisation import spread_prompts

Pairs = Sequence[tuple[str, str]]
"""Terms with the modality they are asked in."""


class FixedQueries(nn.Module):
    """Queries that a frozen text encoder gave.

    Args:
        queries: (pairs, text width).
    """

    trained = None  # nothing that a checkpoint must keep

    def __init__(self, queries: Tensor) -> None:
        super().__init__()
        self.register_buffer("queries", queries.clone(), persistent=False)

    def forward(self, index: Tensor) -> Tensor:
        """Indices of pairs (B, N) -> queries (B, N, text width)."""
        return self.queries[index]


class HeadQueries(nn.Module):
    """The head of a text encoder on what its frozen transformer gave for each pair.

    Args:
        encoder: Whose head is used, and trained.
        pairs: All that can be asked.
    """

    def __init__(self, encoder: TextEncoder, pairs: Pairs) -> None:
        super().__init__()
        self.head = encoder.head
        with torch.no_grad():
            pooled = encoder.eval().pool(*encoder.tokenizer([term for term, _ in pairs]))
        self.register_buffer("pooled", pooled, persistent=False)
        self.register_buffer("modality", _modalities(pairs), persistent=False)

    @property
    def trained(self) -> nn.Module:
        """What a checkpoint keeps."""
        return self.head

    def forward(self, index: Tensor) -> Tensor:
        """Indices of pairs (B, N) -> queries (B, N, text width)."""
        return self.head(self.pooled[index], self.modality[index])


class EncoderQueries(nn.Module):
    """A whole text encoder, trained.

    Args:
        encoder: It.
        pairs: All that can be asked.
    """

    def __init__(self, encoder: TextEncoder, pairs: Pairs) -> None:
        super().__init__()
        self.encoder = encoder
        pooler = getattr(encoder.tower, "pooler", None)
        if pooler is not None:  # a part of the transformer that SAT does not use
            pooler.requires_grad_(False)
        ids, mask = encoder.tokenizer([term for term, _ in pairs])
        self.register_buffer("ids", ids, persistent=False)
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("modality", _modalities(pairs), persistent=False)

    @property
    def trained(self) -> nn.Module:
        """What a checkpoint keeps."""
        return self.encoder

    def forward(self, index: Tensor) -> Tensor:
        """Indices of pairs (B, N) -> queries (B, N, text width)."""
        asked, place = torch.unique(index, return_inverse=True)
        length = int(self.mask[asked].sum(1).max())
        return self.encoder(self.ids[asked, :length], self.mask[asked, :length], self.modality[asked])[place]


def make_queries(
    base: tuple[ModelInfo, LoadedModel] | None, taught: Path | None, how: str, pairs: Pairs, width: int
) -> tuple[nn.Module, PromptEncoder]:
    """The text side of a run.

    Args:
        base: The model the run starts from, where it is and what it holds; None for a new network.
        taught: Folder of a new network's text encoder, or None for a fresh head.
        how: "frozen", "head" or "all", see `TrainingConfig.text`.
        pairs: The terms of the training cases.
        width: Of a query.

    Returns:
        A module from indices into `pairs` to queries, whose `trained` is what a checkpoint keeps of it; and what it was
        made from, for `prompt_encoder`.

    Raises:
        InputError: The text encoder does not fit, or cannot be trained as asked.
        ModelError: It is not installed.
    """
    check_text(None if base is None else base[1].folder, taught, how, width)
    if taught is not None:
        encoder = encoder_folder.load(taught)[1]
        queries = (EncoderQueries if how == "all" else HeadQueries)(encoder, pairs)
        if how == "frozen":
            queries.trained.requires_grad_(False)
        return queries, encoder
    if base is None:
        encoder = TextEncoder.from_folder(minilm_folder(), width)
        queries = HeadQueries(encoder, pairs)
        spread_prompts(encoder.head, queries.pooled)
        encoder.head.requires_grad_(how == "head")
        return queries, encoder
    if how == "frozen":
        return FixedQueries(_encode(base[1].prompts, pairs)), base[1].prompts
    encoder = load_text_encoder(base[0].folder, base[1].folder)
    return (HeadQueries if how == "head" else EncoderQueries)(encoder, pairs), encoder


def prompt_encoder(made_from: PromptEncoder, state: dict[str, Tensor] | None) -> PromptEncoder:
    """What turns any text into a query as a checkpoint's text does, on the CPU.

    Args:
        made_from: See `make_queries`; not changed.
        state: Of the `trained` module.
    """
    if state is None:
        return made_from
    if any(name.startswith("tower.") for name in state):
        encoder = copy.deepcopy(made_from).cpu()
        encoder.load_state_dict(state)
    else:
        encoder = TextEncoder(made_from.tower, copy.deepcopy(made_from.head).cpu(), made_from.tokenizer)
        encoder.head.load_state_dict(state)
    return encoder.eval()


def check_text(base: ModelFolder | None, taught: Path | None, how: str, width: int) -> None:
    """Refuses a text encoder that does not fit the network, and to train a transformer that all models share.

    Args:
        base, taught, how, width: As in `make_queries`; of `base` what its folder says.

    Raises:
        InputError: As said.
    """
    kind = "minilm" if base is None else base.text
    if taught is not None:
        kind = encoder_folder.check(taught, width)
    if how == "all" and kind != "mpnet":
        raise InputError(
            f"The text transformer of {'a new network' if base is None else base.name} is shared by several models "
            'and cannot be trained; set "text" to "head" or "frozen".'
        )


def _encode(encoder: PromptEncoder, pairs: Pairs) -> Tensor:
    """Queries (pairs, width)."""
    rows: dict[tuple[str, str], Tensor] = {}
    for modality in dict.fromkeys(modality for _, modality in pairs):
        terms = [term for term, of in pairs if of == modality]
        rows |= {(term, modality): row for term, row in zip(terms, encoder.encode(terms, modality), strict=True)}
    return torch.stack([rows[pair] for pair in pairs])


def _modalities(pairs: Pairs) -> Tensor:
    return torch.tensor([MODALITIES.index(modality) for _, modality in pairs])
