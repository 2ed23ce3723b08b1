"""SAT: a U-Net whose pixels are matched with text queries (npj Digital Medicine 8:566, 2025)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import SATConfig
from .query_decoder import QueryDecoder, position_encoding
from .unet import IMAGE_CHANNELS, UNet


class EncodedImage(NamedTuple):
    """All of the network that depends on the image only.

    Attributes:
        pixels: Decoder features, finest first: (B, C, H, W, D), (B, C', H/2, W/2, D/2), ...
        memory: Image tokens (B, T, query width).
        positions: Their positions (T, query width).
    """

    pixels: list[Tensor]
    memory: Tensor
    positions: Tensor


def _projection(inputs: int, hidden: int, outputs: int, activation: bool = True) -> nn.Sequential:
    last = nn.GELU() if activation else nn.Identity()
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, outputs), last)


class SAT(nn.Module):
    """The network of `config`. Tensor names are those of the published checkpoints.

    Args:
        config: Shapes.
        deep_supervision: Whether to hold the mask projections at 1/2, 1/4 and 1/8 resolution that
            training uses.
    """

    def __init__(self, config: SATConfig, deep_supervision: bool = False) -> None:
        super().__init__()
        self.config = config
        width, features = config.query_width, config.features
        self.backbone = UNet(config)
        self.projection_layer = _projection(sum(features), config.memory_hidden, width)
        if config.text_width != width:
            self.query_proj = nn.Linear(config.text_width, width)
        else:
            self.query_proj = nn.Identity()
        self.transformer_decoder = QueryDecoder(config)
        self.mask_embed_proj = _projection(width, config.mask_hidden, features[0], config.mask_activation)
        if deep_supervision:
            self.mid_mask_embed_proj = nn.ModuleList(
                _projection(width, hidden, features[level], config.mask_activation)
                for level, hidden in enumerate(config.mid_mask_hidden, start=1)
            )

    def encode_image(self, image: Tensor) -> EncodedImage:
        """Normalised image (B, 1, H, W, D), axes (R, A, S), sides multiples of `config.reduction`."""
        encoded, pixels = self.backbone(image.expand(-1, IMAGE_CHANNELS, -1, -1, -1))
        last = len(encoded) - 1
        pooled = [F.avg_pool3d(x, 2 ** (last - i)) if i < last else x for i, x in enumerate(encoded)]
        tokens = torch.cat(pooled, 1)
        memory = self.projection_layer(tokens.flatten(2).transpose(1, 2))
        positions = position_encoding(tuple(tokens.shape[2:]), self.config.query_width)
        return EncodedImage(pixels, memory, positions.to(memory))

    def decode_queries(self, memory: Tensor, positions: Tensor, queries: Tensor) -> Tensor:
        """What each prompt finds in the image memory.

        Args:
            memory, positions: From `encode_image`.
            queries: Prompt embeddings (N, text width), the same for all images, or (B, N, text width).

        Returns:
            (B, N, query width).
        """
        if queries.ndim == 2:
            queries = queries.expand(len(memory), -1, -1)
        return self.transformer_decoder(self.query_proj(queries), memory, positions)

    def mask_embeddings(self, memory: Tensor, positions: Tensor, queries: Tensor) -> Tensor:
        """Prompts -> (B, N, C): the dot product with the finest features (B, C, H, W, D) is the logits."""
        return self.mask_embed_proj(self.decode_queries(memory, positions, queries))

    def forward(self, image: Tensor, queries: Tensor) -> Tensor:
        """Logits (B, N, H, W, D) of image (B, 1, H, W, D) for queries (N, text width) or (B, N, text width)."""
        image = self.encode_image(image)
        return torch.einsum(
            "bnc,bchwd->bnhwd", self.mask_embeddings(image.memory, image.positions, queries), image.pixels[0]
        )

    def forward_deep(self, image: Tensor, queries: Tensor) -> list[Tensor]:
        """Logits at full, 1/2, 1/4 and 1/8 resolution, for training with deep supervision."""
        image = self.encode_image(image)
        decoded = self.decode_queries(image.memory, image.positions, queries)
        projections = (self.mask_embed_proj, *self.mid_mask_embed_proj)
        return [
            torch.einsum("bnc,bchwd->bnhwd", project(decoded), pixels)
            for project, pixels in zip(projections, image.pixels[: len(projections)], strict=True)
        ]
