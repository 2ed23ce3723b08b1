"""What labelled structures look like: a network's image features under their masks, against their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SATSegmentLib.anatomy import knowledge_tree
from SATSegmentLib.errors import InputError
from SATSegmentLib.models.loading import load
from SATSegmentLib.models.registry import find_model
from SATSegmentLib.network import SAT, SATConfig
from SATSegmentLib.network.unet import IMAGE_CHANNELS

from .. import runs
from ..data.prepared import PreparedCase
from ..data.windows import Window, WindowSampler
from ..training.config import TrainingConfig
from ..training.setup import network_of_config
from .concepts import Knowledge


class AtlasTower(nn.Module):
    """The image encoder of a SAT network, and a projection of what it sees under a mask.

    Args:
        network: Whose encoder.
        width: Of a query.
        frozen: Whether the image encoder keeps its weights.
    """

    def __init__(self, network: SAT, width: int, frozen: bool) -> None:
        super().__init__()
        self.encoder = network.backbone.encoder.requires_grad_(not frozen)
        features = sum(network.config.features)
        self.norm = nn.LayerNorm(features)
        self.projection = nn.Sequential(nn.Linear(features, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, windows: Sequence[Window]) -> Tensor:
        """Unit vectors (N, width), one for each term of `shown_terms`, in its order."""
        pooled = [self._pooled(window) for window in windows]
        return F.normalize(self.projection(self.norm(torch.cat(pooled))), dim=1)

    def _pooled(self, window: Window) -> Tensor:
        """The features under each mask that is not empty (n, features); all weights take part where there is none."""
        device = self.norm.weight.device
        levels = self.encoder(window.image[None].to(device).expand(-1, IMAGE_CHANNELS, -1, -1, -1))
        rows = _shown(window)
        if not rows:
            return torch.cat([level.mean((2, 3, 4)) for level in levels], 1)[:0]
        masks = window.masks[rows].to(device).float()
        return torch.cat([_under(masks, level[0]) for level in levels], 1)


def shown_terms(windows: Sequence[Window]) -> list[tuple[str, str]]:
    """(term, modality) of all masks of windows that are not empty."""
    return [(window.prompts[row], window.modality) for window in windows for row in _shown(window)]


class Wordings:
    """What a term may be called in a step: its name as the cases have it, or another of its names in the tree.

    Args:
        knowledge: The names that are trained on.
        seed: Of the draws.
    """

    def __init__(self, knowledge: Knowledge, seed: int) -> None:
        tree = knowledge_tree()
        names = {concept.id: (concept.name, *concept.synonyms) for concept in knowledge.concepts}
        self._names: Mapping[str, tuple[str, ...]] = names
        self._tree = tree
        self._seed = seed

    def of(self, terms: Sequence[str], step: int) -> list[str]:
        """A text for each term, by seed and step."""
        random = np.random.default_rng([self._seed, step])
        texts = []
        for term, own, draw in zip(terms, random.random(len(terms)) < 0.5, random.random(len(terms)), strict=True):
            found = self._tree.named(term)
            names = self._names.get(found.id, ()) if found else ()
            texts.append(term if own or not names else names[int(draw * len(names))])
        return texts


def training_of(path: Path) -> TrainingConfig:
    """The training whose cases stage 2 looks at: a configuration, or the folder of a run.

    Raises:
        InputError: It cannot be read.
    """
    return TrainingConfig.read(path / runs.CONFIG if path.is_dir() else path)


def image_network(config: TrainingConfig) -> SAT:
    """The network a training starts from: its base's weights, or new ones from torch's global random numbers.

    Raises:
        ModelError: The base is not installed, or damaged.
    """
    return SAT(network_of_config(config)) if config.base is None else load(find_model(config.base)).network


def windows_of(
    config: TrainingConfig, network: SATConfig, cases: list[PreparedCase], rank: int, world: int
) -> WindowSampler:
    """The windows of each step; `config.batch` of them over all processes.

    Raises:
        InputError: The batch cannot be shared by the processes.
    """
    return WindowSampler(cases, config.window or network.window, config.batch, config.prompts, config.seed, rank, world)


def check_terms(cases: Sequence[PreparedCase]) -> None:
    """Refuses cases that show too little to compare.

    Raises:
        InputError: They show fewer than two terms.
    """
    if len({term for case in cases for term in case.voxels}) < 2:
        raise InputError("The cases show fewer than two terms, so there is nothing to compare; add labelled cases.")


def _shown(window: Window) -> list[int]:
    return window.masks.flatten(1).any(1).nonzero().flatten().tolist()


def _under(masks: Tensor, features: Tensor) -> Tensor:
    """The mean of features (C, h, w, d) under masks (N, H, W, D), by how much of a coarse voxel is under each."""
    weights = F.adaptive_avg_pool3d(masks[None], features.shape[1:])[0].flatten(1)
    return weights @ features.flatten(1).T / weights.sum(1, keepdim=True).clamp(min=1e-6)
