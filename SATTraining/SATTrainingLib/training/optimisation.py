"""The optimiser, its schedule, and averaged weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from .config import TrainingConfig


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Of a step, counted from 0: linear warm-up, then a cosine to zero."""
    warm_up = max(1, round(config.warm_up * config.steps))
    if step < warm_up:
        return config.learning_rate * (step + 1) / warm_up
    progress = (step - warm_up) / max(1, config.steps - warm_up)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def make_optimizer(module: nn.Module, rate: float) -> torch.optim.AdamW:
    """AdamW as in the paper, on what is trained of a module only."""
    trained = [p for p in module.parameters() if p.requires_grad]
    return torch.optim.AdamW(trained, rate, betas=(0.9, 0.999), weight_decay=0.0)


def averaged(module: nn.Module, decay: float) -> AveragedModel:
    """A copy of a module whose weights follow it as an exponential moving average.

    The decay rises to `decay` over the first steps, (1 + n) / (10 + n), so that the average of a short training does
    not stay with the weights it began with.
    """

    def average(mean: Tensor, new: Tensor, count: Tensor) -> Tensor:
        return torch.lerp(new, mean, torch.clamp((1 + count) / (10 + count), max=decay))

    return AveragedModel(module, avg_fn=average)
