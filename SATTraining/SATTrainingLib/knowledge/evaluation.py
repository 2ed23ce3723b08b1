"""A taught text encoder against what it was before: retrieval on what was held back, and a map."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from SATSegmentLib.anatomy import knowledge_tree
from SATSegmentLib.errors import InputError
from SATSegmentLib.network.text_encoder import TextEncoder
from SATSegmentLib.output.atomic import written

from .. import encoder_folder, runs
from ..caches import texts_cache
from .concepts import Knowledge, hold_back, knowledge_of
from .config import KnowledgeConfig
from .encoders import read_back, source_of
from .means import means_of
from .picture import draw_map
from .retrieval import Encode, Retrieval, evaluate
from .start import ENCODER

RETRIEVAL = "retrieval.json"
MAP = "map.png"
STRUCTURES, SYNONYMS, TAUGHT = "structures held back", "synonyms held back", "taught"
BEFORE, AFTER = "before", "after"

Results = dict[str, dict[str, Retrieval]]
"""STRUCTURES, SYNONYMS and TAUGHT, see `Split`, to BEFORE and AFTER."""


@dataclass(frozen=True, eq=False)
class _Encoder:
    """An encoder on what its transformer said of all texts."""

    known: dict[str, np.ndarray]
    encoder: TextEncoder | None  # None: the transformer's mean as it comes
    read: dict[str, str] = field(default_factory=dict)

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        vectors = torch.from_numpy(np.stack([self.known[text] for text in texts])).float()
        if self.encoder is not None:
            head = self.encoder.head
            vectors = head.projection_layer(head.refine(vectors, read_back(self.encoder, texts, self.read)))
        return F.normalize(vectors, dim=1).numpy()


def evaluate_run(folder: Path, progress: Callable[[int, int], None] | None = None) -> Results:
    """Evaluates the encoder of a run that is done; writes `retrieval.json` and `map.png` into its folder.

    Args:
        folder: Of the run.
        progress: Called with texts read by the transformer and all.

    Raises:
        InputError: The run is not done.
        ModelError: An encoder is not installed, or damaged.
        SATError: A file cannot be written.
    """
    if not (folder / ENCODER / encoder_folder.RESULT).is_file():
        raise InputError(f"{folder} has no taught encoder yet; let the training come to its end first.")
    config = KnowledgeConfig.read(folder / runs.CONFIG)
    everything = knowledge_of(knowledge_tree())
    split = hold_back(everything, config.held_back, config.seed)
    source = source_of(config)
    _, after = encoder_folder.load(folder / ENCODER)
    encoders = {
        BEFORE: _encoder(source.encoder, not source.new_head, everything, progress),
        AFTER: _encoder(after, True, everything, progress),
    }
    parts = {STRUCTURES: split.structures, SYNONYMS: split.synonyms, TAUGHT: split.taught}
    results = {
        part: {name: evaluate(encode, everything, asked) for name, encode in encoders.items()}
        for part, asked in parts.items()
        if asked.concepts
    }
    with written(folder / RETRIEVAL) as temporary:
        temporary.write_text(json.dumps(_plain(results), indent=2) + "\n", encoding="utf-8")
    names = [concept.name for concept in everything.concepts]
    draw_map(folder / MAP, {name: encode(names) for name, encode in encoders.items()}, everything.concepts)
    return results


def table(results: Results) -> str:
    """The numbers as lines of text."""
    lines = []
    for part, by_encoder in results.items():
        before, after = by_encoder[BEFORE].rows(), by_encoder[AFTER].rows()
        lines.append(f"{part.upper():<48} {BEFORE:>7} {AFTER:>7}       n")
        for (name, first), (_, second) in zip(before, after, strict=True):
            if not second.count:
                continue
            lines.append(f"{name:<48} {_percent(first.value):>7} {_percent(second.value):>7} {second.count:>7}")
    return "\n".join(lines)


def _encoder(encoder: TextEncoder, with_head: bool, everything: Knowledge, progress) -> Encode:
    known = means_of(encoder, everything.texts(), texts_cache(), progress)
    return _Encoder(known, encoder if with_head else None)


def _plain(results: Results) -> dict:
    return {
        part: {
            name: {what: {"share": share.value, "count": share.count} for what, share in found.rows()}
            for name, found in by_encoder.items()
        }
        for part, by_encoder in results.items()
    }


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
