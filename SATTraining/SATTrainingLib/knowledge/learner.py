"""What is trained, as one module, and its loss over all processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..data.windows import Window
from ..training.distributed import Ranks
from .atlas import AtlasTower, Wordings, shown_terms
from .contrast import Temperature, gathered, info_nce, unequal
from .encoders import Texts
from .pairs import Pair, positives, texts_of


@dataclass(frozen=True)
class Shown:
    """What the windows of a step show.

    Attributes:
        windows: Of this process.
        sizes: Masks that each process's windows show.
        terms: Of all these masks, by process.
        asked: (term, modality) of all, each once.
        texts: What the terms of `asked` are called in this step.
        shares: How many of `asked` each process encodes, in their order.
    """

    windows: Sequence[Window]
    sizes: list[int]
    terms: list[str]
    asked: list[tuple[str, str]]
    texts: list[str]
    shares: list[int]

    @classmethod
    def of(cls, windows: Sequence[Window], wordings: Wordings, step: int, ranks: Ranks) -> Shown:
        """Gathers what all processes' windows show."""
        by_rank = ranks.gather(shown_terms(windows))
        asked = sorted({pair for pairs in by_rank for pair in pairs})
        shares = [len(part) for part in np.array_split(np.arange(len(asked)), ranks.world)]
        terms = [term for pairs in by_rank for term, _ in pairs]
        texts = wordings.of([term for term, _ in asked], step)
        return cls(windows, [len(pairs) for pairs in by_rank], terms, asked, texts, shares)


class Learner(nn.Module):
    """Text encoder, temperature and, in stage 2, the image side.

    Args:
        texts: The text encoder.
        temperature: At the beginning.
        atlas: The image side, or None.
    """

    def __init__(self, texts: Texts, temperature: float, atlas: AtlasTower | None) -> None:
        super().__init__()
        self.texts = texts
        self.temperature = Temperature(temperature)
        self.atlas = atlas
        if atlas is None:
            texts.encoder.head.modality_embed.requires_grad_(False)  # text with text is asked of no modality

    def forward(self, pairs: list[Pair], shown: Shown | None, rank: int) -> tuple[Tensor, ...]:
        """This process's texts of pairs, the scale; in stage 2 also its share of the asked texts, and its masks."""
        own = self.texts(texts_of(pairs))
        if shown is None:
            return own, self.temperature.scale()
        start = sum(shown.shares[:rank])
        mine = slice(start, start + shown.shares[rank])
        modalities = [modality for _, modality in shown.asked[mine]]
        return own, self.temperature.scale(), self.texts(shown.texts[mine], modalities), self.atlas(shown.windows)


def losses(outputs: tuple[Tensor, ...], pairs: list[Pair], shown: Shown | None, ranks: Ranks) -> dict[str, Tensor]:
    """The parts of a step's loss ("text", "atlas"), the same in every process.

    Args:
        outputs: Of `Learner` on this process's part.
        pairs: Of all processes.
        shown: By all processes' windows.
        ranks: The processes.
    """
    own, scale = outputs[:2]
    texts = gathered(own, ranks.rank, ranks.world)
    found = {"text": info_nce(texts, texts, positives(pairs).to(own.device), scale, itself=True)}
    if shown is not None:
        asked = unequal(outputs[2], shown.shares, ranks.rank)
        masks = unequal(outputs[3], shown.sizes, ranks.rank)
        terms = np.array([term for term, _ in shown.asked], object)
        same = torch.from_numpy(np.array(shown.terms, object)[:, None] == terms[None, :]).to(own.device)
        there = info_nce(masks, asked, same, scale) + info_nce(asked, masks, same.T, scale) if len(masks) else 0 * scale
        found["atlas"] = there / 2
    return found
