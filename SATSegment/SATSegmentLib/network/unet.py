"""The plain convolutional U-Net of nnU-Net, as SAT's backbone.

Module names follow the published checkpoints, without their second copy of every tensor.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import SATConfig

IMAGE_CHANNELS = 3  # single-channel images are repeated, as in the published network


class ConvNormAct(nn.Module):
    """Conv3d 3x3x3 -> InstanceNorm3d -> LeakyReLU(0.01)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 3, stride, padding=1)
        self.norm = nn.InstanceNorm3d(outputs, eps=1e-5, affine=True)
        self.act = nn.LeakyReLU(0.01, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))


class ConvStack(nn.Module):
    """`count` convolutions; the first one changes channels and may stride."""

    def __init__(self, inputs: int, outputs: int, count: int, stride: int = 1) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            ConvNormAct(inputs, outputs, stride), *(ConvNormAct(outputs, outputs) for _ in range(count - 1))
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.convs(x)


class Encoder(nn.Module):
    """Stages of halving resolution; all their outputs are returned, finest first."""

    def __init__(self, config: SATConfig) -> None:
        super().__init__()
        inputs = (IMAGE_CHANNELS, *config.features)
        self.stages = nn.Sequential(
            *(
                nn.Sequential(ConvStack(inputs[i], width, config.convs, stride=1 if i == 0 else 2))
                for i, width in enumerate(config.features)
            )
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs


class Decoder(nn.Module):
    """Transposed convolution, concatenation with the skip, convolutions; no segmentation head."""

    def __init__(self, config: SATConfig) -> None:
        super().__init__()
        coarse_to_fine = config.features[::-1]
        pairs = list(zip(coarse_to_fine[:-1], coarse_to_fine[1:], strict=True))
        self.stages = nn.ModuleList(ConvStack(2 * fine, fine, config.convs) for _, fine in pairs)
        self.transpconvs = nn.ModuleList(nn.ConvTranspose3d(coarse, fine, 2, 2) for coarse, fine in pairs)

    def forward(self, skips: list[Tensor]) -> list[Tensor]:
        x = skips[-1]
        outputs = []
        for upsample, stage, skip in zip(self.transpconvs, self.stages, skips[-2::-1], strict=True):
            x = stage(torch.cat((upsample(x), skip), 1))
            outputs.append(x)
        return outputs[::-1]


class UNet(nn.Module):
    """Image (B, 3, H, W, D) -> (encoder features, decoder features), both finest first."""

    def __init__(self, config: SATConfig) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def forward(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        encoded = self.encoder(image)
        return encoded, self.decoder(encoded)
