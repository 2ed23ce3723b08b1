"""What is trained, as one module: windows in, the loss of each prompt out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import apply_activation_checkpointing

from SATSegmentLib.inference.device import autocast
from SATSegmentLib.network import SAT
from SATSegmentLib.network.query_decoder import QueryDecoderLayer
from SATSegmentLib.network.unet import ConvStack

from ..data.windows import Window
from .losses import deep_supervision_losses


@dataclass(frozen=True, eq=False)
class Batch:
    """Windows of one forward pass, on one device.

    Attributes:
        image: (B, 1, H, W, D), float32.
        prompts: Indices of pairs of term and modality (B, N).
        masks: (B, N, H, W, D), bool.
        real: (B, N), false for prompts that only fill up.
    """

    image: Tensor
    prompts: Tensor
    masks: Tensor
    real: Tensor

    @classmethod
    def of(cls, windows: list[Window], pairs: dict[tuple[str, str], int], device: torch.device) -> Batch:
        """Stacks windows; `pairs` gives the index of a term and modality."""
        most = max(len(window.prompts) for window in windows)
        image = torch.stack([window.image for window in windows])
        if device.type == "cpu":  # its convolutions are faster so
            image = image.contiguous(memory_format=torch.channels_last_3d)
        masks = torch.zeros(len(windows), most, *image.shape[2:], dtype=torch.bool)
        real = torch.zeros(len(windows), most, dtype=torch.bool)
        prompts = torch.zeros(len(windows), most, dtype=torch.long)
        for i, window in enumerate(windows):
            count = len(window.prompts)
            masks[i, :count] = window.masks
            real[i, :count] = True
            prompts[i, :count] = torch.tensor([pairs[prompt, window.modality] for prompt in window.prompts])
        return cls(*(tensor.to(device, non_blocking=True) for tensor in (image, prompts, masks, real)))


class Learner(nn.Module):
    """A network with its queries and its loss.

    Args:
        network: With deep supervision.
        text: From indices of pairs to queries, see `text.make_queries`.
        dtype: The network computes in; weights, queries and loss stay in float32.
        silence: See `losses.deep_supervision_losses`.
    """

    def __init__(self, network: SAT, text: nn.Module, dtype: torch.dtype, silence: float) -> None:
        super().__init__()
        self.network = network
        self.text = text
        self.dtype = dtype
        self.silence = silence

    def forward(self, batch: Batch) -> Tensor:
        """The loss of each real prompt, in the order of `batch.real`."""
        queries = self.text(batch.prompts)
        with autocast(batch.image.device, self.dtype):
            outputs = self.network.forward_deep(batch.image, queries)
        return deep_supervision_losses(outputs, batch.masks, batch.real, self.silence)


def save_memory(network: SAT) -> None:
    """Makes U-Net stages and decoder layers compute their activations again in the backward pass; same numbers."""
    apply_activation_checkpointing(
        network,
        check_fn=lambda module: isinstance(module, (ConvStack, QueryDecoderLayer)),
    )
