"""What makes texts of one meaning alike and others different: InfoNCE with several positives, over all processes."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

_MOST = 100.0  # of the scale, as in CLIP


class Temperature(nn.Module):
    """The learned temperature of the loss.

    Args:
        start: Its first value.
    """

    def __init__(self, start: float) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(1.0 / start).log())

    def scale(self) -> Tensor:
        """What cosines are multiplied with."""
        return self.log_scale.exp().clamp(max=_MOST)


def info_nce(rows: Tensor, columns: Tensor, positives: Tensor, scale: Tensor, itself: bool = False) -> Tensor:
    """The mean over rows of the mean of -log softmax over their positives.

    Args:
        rows, columns: Unit vectors (N, C) and (M, C).
        positives: (N, M), bool; rows without one do not count.
        scale: 1 / temperature.
        itself: Whether rows and columns are the same, so that the diagonal is no candidate.
    """
    similar = rows @ columns.T * scale
    if itself:
        similar = similar.masked_fill(torch.eye(len(rows), dtype=torch.bool, device=rows.device), float("-inf"))
    # infinity times no positive would be NaN
    told = F.log_softmax(similar, 1).masked_fill(~positives, 0).sum(1)
    count = positives.sum(1)
    return -(told / count.clamp(min=1)).sum() / (count > 0).sum().clamp(min=1)


def gathered(own: Tensor, rank: int, world: int) -> Tensor:
    """The rows (N, C) of all processes, by rank; gradients flow to this one's own.

    Each process then has the whole loss. What it sends back through its own rows is their full gradient, so the sum
    over processes is that of one process with all rows.
    """
    if world == 1:
        return own
    parts = [torch.empty_like(own) for _ in range(world)]
    dist.all_gather(parts, own.detach().contiguous())
    parts[rank] = own
    return torch.cat(parts)


def unequal(own: Tensor, sizes: list[int], rank: int) -> Tensor:
    """As `gathered`, where processes have different numbers of rows."""
    if len(sizes) == 1:
        return own
    most = max(sizes)
    whole = gathered(F.pad(own, (0, 0, 0, most - len(own))), rank, len(sizes))
    return torch.cat([part[:size] for part, size in zip(whole.split(most), sizes, strict=True)])
