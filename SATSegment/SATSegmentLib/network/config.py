"""The shape of a SAT network and the grid it was trained on."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ..errors import ModelError


@dataclass(frozen=True)
class SATConfig:
    """Everything that fixes a SAT network (paper, Methods, "Architecture"; published checkpoints).

    Attributes:
        features: Channels of each U-Net stage, finest first.
        convs: Convolutions a stage, encoder and decoder.
        query_width: Channels of the image memory and of the queries inside the query decoder.
        text_width: Channels of the prompt embeddings given as queries. Where it differs from
            `query_width`, a linear layer comes between.
        memory_hidden: Hidden channels of the projection from pooled features to the image memory.
        mask_hidden: Hidden channels of the projection from a query to its mask embedding.
        mid_mask_hidden: The same at 1/2, 1/4, 1/8 resolution (deep supervision, training only).
        mask_activation: Whether a GELU ends the projection to mask embeddings, as in the published
            networks. With few channels it is a trap: while background dominates, all channels run into
            GELU's minimum, where the gradient is zero and every prompt has the same mask.
        layers, heads, feedforward, dropout: The query decoder's.
        window: Voxels of a sliding window along (R, A, S).
        spacing: Millimetres of a voxel along (R, A, S).
        axis_codes: Directions the array axes increase in.
    """

    features: tuple[int, ...]
    convs: int
    query_width: int = 768
    text_width: int = 768
    memory_hidden: int = 768
    mask_hidden: int = 256
    mid_mask_hidden: tuple[int, ...] = (256, 384, 512)
    mask_activation: bool = True
    layers: int = 6
    heads: int = 8
    feedforward: int = 2048
    dropout: float = 0.1
    window: tuple[int, int, int] = (288, 288, 96)
    spacing: tuple[float, float, float] = (1.0, 1.0, 3.0)
    axis_codes: str = "RAS"

    def __post_init__(self) -> None:
        for name in ("features", "mid_mask_hidden", "window", "spacing"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if len(self.features) < 2 + len(self.mid_mask_hidden):
            raise ModelError(
                f"The network has {len(self.features)} stages, too few for {len(self.mid_mask_hidden)} "
                "deep supervision outputs."
            )
        if self.heads < 1 or self.query_width % self.heads:
            raise ModelError(f"The query width {self.query_width} is not a multiple of {self.heads} heads.")
        if any(n % self.reduction for n in self.window):
            raise ModelError(f"The window {self.window} is not a multiple of {self.reduction} voxels.")

    @property
    def reduction(self) -> int:
        """Voxels of the image along one side of a voxel of the coarsest stage."""
        return 2 ** (len(self.features) - 1)

    @classmethod
    def named(cls, name: str) -> SATConfig:
        """The configuration called `name`: "nano", "pro" (published) or "tiny" (built in)."""
        if name not in _NAMED:
            raise ModelError(f'There is no configuration "{name}"; known are {", ".join(_NAMED)}.')
        return _NAMED[name]

    @classmethod
    def from_dict(cls, values: dict) -> SATConfig:
        """The inverse of `to_dict`; unknown keys are refused."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := set(values) - known:
            raise ModelError(f"Unknown keys in a network configuration: {', '.join(sorted(unknown))}.")
        return cls(**values)

    def to_dict(self) -> dict:
        """Plain values for JSON."""
        return dataclasses.asdict(self)


_NAMED = {
    "nano": SATConfig(features=(64, 64, 128, 256, 512, 768), convs=2),
    "pro": SATConfig(
        features=(128, 128, 256, 512, 1024, 1536),
        convs=3,
        memory_hidden=1536,
        mask_hidden=384,
        mid_mask_hidden=(384, 512, 512),
    ),
    "tiny": SATConfig(
        features=(16, 32, 64, 128, 192),
        convs=2,
        query_width=192,
        text_width=192,
        memory_hidden=192,
        mask_hidden=96,
        mid_mask_hidden=(96, 96, 128),
        mask_activation=False,
        layers=3,
        heads=6,
        feedforward=512,
        window=(64, 64, 48),
        spacing=(4.0, 4.0, 3.0),
    ),
}
