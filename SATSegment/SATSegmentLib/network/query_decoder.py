"""The query decoder: prompts attend to the image memory, and to nothing else."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .config import SATConfig


def position_encoding(shape: tuple[int, int, int], width: int) -> Tensor:
    """Three-dimensional sine-cosine positions of a token grid, as published.

    Each axis takes `2 * ceil(width / 6)` channels with interleaved sine and cosine; the three are
    concatenated in the order of the axes and cut to `width`.

    Returns:
        (H * W * D, width), float32.
    """
    axis_width = 2 * math.ceil(width / 6)
    frequencies = 10000 ** (-torch.arange(0, axis_width, 2, dtype=torch.float32) / axis_width)
    channels = []
    for axis, count in enumerate(shape):
        angles = torch.arange(count, dtype=torch.float32)[:, None] * frequencies
        values = torch.stack((angles.sin(), angles.cos()), -1).flatten(1)
        view = [1, 1, 1, axis_width]
        view[axis] = count
        channels.append(values.view(view).expand(*shape, axis_width))
    return torch.cat(channels, -1)[..., :width].reshape(-1, width)


class QueryDecoderLayer(nn.Module):
    """Pre-norm cross-attention and feed-forward; there is no self-attention between queries, so
    each prompt's mask is independent of the others asked with it."""

    def __init__(self, config: SATConfig) -> None:
        super().__init__()
        width = config.query_width
        self.multihead_attn = nn.MultiheadAttention(width, config.heads, config.dropout, batch_first=True)
        self.linear1 = nn.Linear(width, config.feedforward)
        self.linear2 = nn.Linear(config.feedforward, width)
        self.norm1 = nn.LayerNorm(width)  # in the published checkpoints, unused
        self.norm1.requires_grad_(False)
        self.norm2 = nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, queries: Tensor, memory: Tensor, positions: Tensor) -> Tensor:
        attended, _ = self.multihead_attn(self.norm2(queries), memory + positions, memory, need_weights=False)
        queries = queries + self.dropout(attended)
        hidden = self.dropout(self.linear1(self.norm3(queries)).relu())
        return queries + self.dropout(self.linear2(hidden))


class QueryDecoder(nn.Module):
    """Queries (B, N, C) and image memory (B, T, C) -> queries (B, N, C)."""

    def __init__(self, config: SATConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(QueryDecoderLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.query_width)

    def forward(self, queries: Tensor, memory: Tensor, positions: Tensor) -> Tensor:
        for layer in self.layers:
            queries = layer(queries, memory, positions)
        return self.norm(queries)
