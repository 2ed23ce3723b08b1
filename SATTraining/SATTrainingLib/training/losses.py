"""SAT's loss: Dice and cross-entropy of each prompt, at several resolutions (paper, Methods, "Training")."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SMOOTH = 1e-7
_UNNOTICED = 1e-3  # share of a window; what is found by mistake and is smaller counts as if it were as large


def prompt_losses(logits: Tensor, masks: Tensor, real: Tensor, silence: Tensor | None = None) -> Tensor:
    """Dice loss (squared denominator) plus binary cross-entropy of each real prompt.

    Args:
        logits: (B, N, H, W, D).
        masks: The same shape, 0 or 1.
        real: (B, N), false for prompts that only pad the batch.
        silence: (B, N), weight of what is added: the cross-entropy, summed over the window and divided by the voxels
            found. None, as in the paper, adds nothing.

    Returns:
        (number of real prompts,), float32, in the order of `real`.
    """
    logits = logits.flatten(2)[real].float()
    masks = masks.flatten(2)[real].to(logits)
    probabilities = logits.sigmoid()
    overlap = (probabilities * masks).sum(1)
    size = probabilities.square().sum(1) + masks.sum(1)
    dice = 1 - (2 * overlap + _SMOOTH) / (size + _SMOOTH)
    entropy = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    losses = dice + entropy.mean(1)
    if silence is not None:
        found = probabilities.detach().sum(1) + _UNNOTICED * logits.shape[1]
        losses = losses + silence[real] * entropy.sum(1) / found
    return losses


def deep_supervision_losses(outputs: list[Tensor], masks: Tensor, real: Tensor, silence: float = 0.0) -> Tensor:
    """`prompt_losses` at full, 1/2, 1/4 ... resolution with weights 1, 1/2, 1/4 ..., normalised.

    Where a mask is empty, the Dice loss is 1 whatever is answered, and the cross-entropy, a mean over the window,
    hardly feels a small answer: such prompts teach little. With `silence` a voxel found by mistake weighs there as it
    does in the Dice loss of a mask as large as what was found.

    Args:
        outputs: Logits, finest first, each side half of the one before.
        masks: (B, N, H, W, D) at full resolution.
        real: (B, N).
        silence: Weight in `prompt_losses` of prompts with an empty mask.
    """
    silent = silence * ~masks.flatten(2).any(2) if silence else None
    weights = [0.5**level for level in range(len(outputs))]
    losses = [
        weight * prompt_losses(logits, masks[:, :, ::step, ::step, ::step], real, silent)
        for weight, logits, step in zip(weights, outputs, (2**level for level in range(len(outputs))), strict=True)
    ]
    return torch.stack(losses).sum(0) / sum(weights)
