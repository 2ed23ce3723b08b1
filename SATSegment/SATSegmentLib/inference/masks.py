"""From windows' probabilities to masks on the volume's own voxels, slab by slab."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..imaging import Box, Grid, Mask
from .windows import Window

THRESHOLD = 0.5


class WindowSum:
    """Weighted sum of overlapping windows in a buffer one window deep along the last axis.

    Windows come ordered by their start along that axis; what lies before the next start is finished.

    Args:
        shape: (N, H, W, D) of the whole sum.
        depth: Voxels of a window along the last axis.
        device: Where the sums are kept.
    """

    def __init__(self, shape: tuple[int, int, int, int], depth: int, device: torch.device) -> None:
        self._length = shape[3]
        self._first = 0
        self._sum = torch.zeros(*shape[:3], min(depth, shape[3]), device=device)
        self._weights = torch.zeros(self._sum.shape[1:], device=device)

    def finished_before(self, start: int) -> Tensor | None:
        """The weighted mean (N, H, W, K) of the slices before `start` not yet returned, if any."""
        count = start - self._first
        if count <= 0:
            return None
        mean = (self._sum[..., :count] / self._weights[..., :count]).cpu()
        for buffer in (self._sum, self._weights):
            kept = buffer[..., count:].clone()
            buffer.zero_()
            buffer[..., : kept.shape[-1]] = kept
        self._first = start
        return mean

    def rest(self) -> Tensor:
        """The weighted mean of all slices not yet returned."""
        count = self._length - self._first
        return (self._sum[..., :count] / self._weights[..., :count]).cpu()

    def add(self, window: Window, probabilities: Tensor | None, weight: Tensor) -> None:
        """Adds a window's probabilities (N, h, w, d); None stands for zeros."""
        i, j, k = window.slices
        k = slice(k.start - self._first, k.stop - self._first)
        self._weights[i, j, k] += weight
        if probabilities is not None:
            self._sum[:, i, j, k] += probabilities.to(self._sum.device) * weight


class MaskBuilder:
    """Turns one class' slabs of probabilities into its mask on the source grid.

    Each slab goes back to the source voxels that lie in it by trilinear interpolation, inside the
    bounding box of what is above the threshold only.

    Args:
        grid: The model's grid.
        box: The part of it the slabs cover, in voxels of the whole grid; outside it the probability is 0.
    """

    def __init__(self, grid: Grid, box: Box) -> None:
        self._grid = grid
        self._box = box
        self._next = box[0][2]
        self._above = (0, 0.0)
        self._pieces: list[Mask] = []
        plane = tuple(stop - start for start, stop in zip(box[0][:2], box[1][:2], strict=True))
        # before the box lies probability 0, unless the grid begins there and is clamped
        self._last = np.zeros((*plane, 1), np.float32) if box[0][2] > 0 else None

    def add(self, slab: np.ndarray) -> None:
        """The next slices (H, W, K) along the last axis."""
        foreground = slab[slab > THRESHOLD]
        self._above = (self._above[0] + foreground.size, self._above[1] + float(foreground.sum(dtype=np.float64)))
        self._add(slab)

    def finish(self) -> tuple[Mask, float]:
        """The mask, and the mean probability of its voxels on the model's grid (0 for an empty one)."""
        if self._box[1][2] < self._grid.shape[2]:
            self._add(np.zeros((*self._last.shape[:2], 1), np.float32))
        count, total = self._above
        return _merge(self._pieces, self._grid.source_shape), total / count if count else 0.0

    def _add(self, slab: np.ndarray) -> None:
        continues = self._last is not None
        block = np.concatenate((self._last, slab), 2) if continues else slab
        start = self._next - int(continues)
        self._last = slab[..., -1:].copy()
        self._next += slab.shape[2]
        above = block > THRESHOLD
        rows, columns = np.nonzero(above.any((1, 2)))[0], np.nonzero(above.any((0, 2)))[0]
        if not rows.size:
            return
        block, (i, j) = self._with_margin(block, rows, columns)
        restored = self._grid.restore(block, (i, j, start), skip_first=continues)
        if restored is not None:
            slices, values = restored
            self._pieces.append(Mask.of(values > THRESHOLD, tuple(s.start for s in slices), self._grid.source_shape))

    def _with_margin(self, block: np.ndarray, rows: np.ndarray, columns: np.ndarray):
        """The block one voxel around what is above the threshold, as far as the whole grid reaches; and its
        first row and column there."""
        cut, pad, first = [], [], []
        for axis, index in enumerate((rows, columns)):
            offset, length = self._box[0][axis], block.shape[axis]
            low = max(int(index[0]) - 1, -offset)
            high = min(int(index[-1]) + 2, self._grid.shape[axis] - offset)
            cut.append(slice(max(low, 0), min(high, length)))
            pad.append((max(-low, 0), max(high - length, 0)))
            first.append(low + offset)
        block = block[tuple(cut)]
        if any(map(any, pad)):
            block = np.pad(block, (*pad, (0, 0)))
        return block, first


def _merge(pieces: list[Mask], shape: tuple[int, int, int]) -> Mask:
    pieces = [piece for piece in pieces if piece.voxels]
    if not pieces:
        return Mask.empty(shape)
    start = tuple(np.min([piece.start for piece in pieces], 0).tolist())
    stop = np.max([np.add(piece.start, piece.block.shape) for piece in pieces], 0)
    block = np.zeros(stop - start, bool)
    for piece in pieces:
        block[tuple(slice(s.start - a, s.stop - a) for s, a in zip(piece.slices, start, strict=True))] |= piece.block
    return Mask(shape, start, block)
