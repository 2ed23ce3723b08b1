"""Where network and text head start from, and which of their weights are trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from SATSegmentLib.network import SAT, SATConfig
from SATSegmentLib.network.text_encoder import TextHead

_SHRINKAGE = 0.3  # of the mean variance; keeps directions of next to no variance from being blown up


def network_to_train(config: SATConfig, weights: SAT | None, part: str) -> SAT:
    """A network with deep supervision, from torch's global random numbers.

    Args:
        config: Its shape.
        weights: What to start from, without deep supervision, whose projections start fresh; None starts from nothing.
        part: What is trained, see `TrainingConfig.train`; the rest is frozen.
    """
    network = SAT(config, deep_supervision=True)
    if weights is not None:
        lacking, unexpected = network.load_state_dict(weights.state_dict(), strict=False)
        if unexpected or any(not name.startswith("mid_mask_embed_proj.") for name in lacking):
            raise ValueError("The weights are those of another network.")
    frozen = {
        "all": (),
        "decoder": (network.backbone.encoder,),
        "queries": (network.backbone, network.projection_layer),
    }[part]
    for module in frozen:
        module.requires_grad_(False)
    return network


def spread_prompts(head: TextHead, pooled: Tensor) -> None:
    """Fills a text head so that the prompts it starts with lie apart, each at unit variance.

    A sentence encoder puts "left parotid gland" next to "right parotid gland" (cosine near 0.9). From the
    usual initialisation a small network then spends its first thousand steps answering all prompts
    alike. The first layer starts as the whitening of the prompts' own embeddings instead.

    Args:
        head: Filled in place, from torch's global random numbers.
        pooled: Pooled embeddings of the prompts (N, tower width).
    """
    first, second = head.projection_layer[0], head.projection_layer[2]
    mean = pooled.mean(0)
    centred = pooled - mean
    _, values, directions = torch.linalg.svd(centred, full_matrices=False)
    variances = values.square() / len(pooled)
    count = min(len(variances), first.out_features)
    scale = (variances[:count] + _SHRINKAGE * variances.mean()).rsqrt()
    rotation = torch.linalg.qr(torch.randn(first.out_features, first.out_features))[0][:, :count]
    weight = rotation @ (scale[:, None] * directions[:count])
    weight = weight / (centred @ weight.T).std()
    with torch.no_grad():
        first.weight.copy_(weight)
        first.bias.copy_(-(weight @ mean))
        nn.init.normal_(second.weight, std=1.7 * second.in_features**-0.5)  # GELU keeps about a third of the power
        nn.init.zeros_(second.bias)
        nn.init.normal_(head.modality_embed.weight, std=0.02)
