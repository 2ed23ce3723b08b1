"""SAT's loss: Dice and cross-entropy of each prompt, at several resolutions (paper, Methods, "Training")."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SMOOTH = 1e-7


def prompt_losses(logits: Tensor, masks: Tensor, real: Tensor) -> Tensor:
    """Dice loss (squared denominator) plus binary cross-entropy of each real prompt.

    Args:
        logits: (B, N, H, W, D).
        masks: The same shape, 0 or 1.
        real: (B, N), false for prompts that only pad the batch.

    Returns:
        (number of real prompts,), float32, in the order of `real`.
    """
    logits = logits.flatten(2)[real].float()
    masks = masks.flatten(2)[real].to(logits)
    probabilities = logits.sigmoid()
    overlap = (probabilities * masks).sum(1)
    size = probabilities.square().sum(1) + masks.sum(1)
    dice = 1 - (2 * overlap + _SMOOTH) / (size + _SMOOTH)
    return dice + F.binary_cross_entropy_with_logits(logits, masks, reduction="none").mean(1)


def deep_supervision_losses(outputs: list[Tensor], masks: Tensor, real: Tensor) -> Tensor:
    """`prompt_losses` at full, 1/2, 1/4 ... resolution with weights 1, 1/2, 1/4 ..., normalised.

    Args:
        outputs: Logits, finest first, each side half of the one before.
        masks: (B, N, H, W, D) at full resolution.
        real: (B, N).
    """
    weights = [0.5**level for level in range(len(outputs))]
    losses = [
        weight * prompt_losses(logits, masks[:, :, ::step, ::step, ::step], real)
        for weight, logits, step in zip(weights, outputs, (2**level for level in range(len(outputs))), strict=True)
    ]
    return torch.stack(losses).sum(0) / sum(weights)
