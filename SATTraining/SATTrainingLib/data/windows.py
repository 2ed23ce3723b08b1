"""The windows a network is trained on, drawn from prepared cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from SATSegmentLib.errors import InputError

from .augmentation import Augmentation
from .prepared import PreparedCase

_MOST_REPEATS = 8  # of a case, so that one whole-body scan does not fill the training


@dataclass(frozen=True)
class Window:
    """One training sample.

    Attributes:
        number: Its place in the step's batch, over all processes.
        image: (1, H, W, D), float32.
        prompts: The terms asked.
        modality, dataset: Of the case.
        masks: (N, H, W, D), bool.
    """

    number: int
    image: Tensor
    prompts: list[str]
    modality: str
    dataset: str
    masks: Tensor


class WindowSampler(torch.utils.data.Dataset):
    """The windows of a training step (SAT's paper, Methods, "Training").

    Item `step` is the same whenever and wherever it is drawn: window `i` of the batch depends on the seed, the step and
    `i` alone, and `world` processes get consecutive parts of the batch.

    A case is drawn with weight 1 / sqrt(cases of its data set), repeated where its labelled region takes several
    windows or its terms several times the prompts of one. The window is centred near a voxel of one term, drawn evenly,
    or (as often) of any. Of the annotated terms those in the window are asked, and absent ones: half as many, but at
    least one. Where there is no room for all, absent ones keep a third of it: a window full of labelled structures has
    to teach as well what it does not show.

    Args:
        cases: Prepared cases.
        window: Voxels along (R, A, S).
        batch: Windows a step, over all processes.
        prompts: Terms a window at most.
        seed: Of everything random here.
        rank, world: Which of how many processes draws; `batch` is a multiple of `world`.
        augmentation: What windows go through.
        weights: Factors of data sets' weights, 1 where not named.

    Raises:
        InputError: There is no case, or the batch cannot be shared by the processes.
    """

    def __init__(
        self,
        cases: Sequence[PreparedCase],
        window: tuple[int, int, int],
        batch: int,
        prompts: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        augmentation: Augmentation = Augmentation(),  # noqa: B008  it cannot be changed
        weights: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        if not cases:
            raise InputError("There is no case to train on; add labelled cases, or hold back fewer.")
        if batch % world:
            raise InputError(f"A batch of {batch} windows cannot be shared by {world} processes; make it a multiple.")
        self.cases = cases
        self.window = tuple(window)
        self.prompts = prompts
        self.seed = seed
        self.numbers = range(rank * batch // world, (rank + 1) * batch // world)
        self.augmentation = augmentation
        self._terms = [sorted(case.voxels) for case in cases]
        sizes = Counter(case.case.dataset for case in cases)
        shares = np.array(
            [
                weights.get(case.case.dataset, 1.0) * sizes[case.case.dataset] ** -0.5 * self._repeats(case)
                for case in cases
            ]
        )
        self._up_to = np.cumsum(shares / shares.sum())

    def __getitem__(self, step: int) -> list[Window]:
        return [self._draw(number, np.random.default_rng([self.seed, step, number])) for number in self.numbers]

    def _repeats(self, case: PreparedCase) -> int:
        """Windows it takes to see all of a case's labels, and to ask them all."""
        if not case.voxels:
            return 1
        where = case.labelled[:]
        windows = np.prod(np.ceil((np.ptp(where, 0) + 1) / self.window))
        return int(np.clip(max(windows, np.ceil(len(case.voxels) / self.prompts)), 1, _MOST_REPEATS))

    def _draw(self, number: int, random: np.random.Generator) -> Window:
        index = min(int(np.searchsorted(self._up_to, random.random(), side="right")), len(self.cases) - 1)
        case = self.cases[index]
        centre = self._centre(case, self._terms[index], random)
        image, layers = _crop(case, centre, self.window, self.augmentation.draw_matrix(random))
        there = set(torch.bincount(layers.flatten()).nonzero().flatten().tolist())
        prompts = self._prompts(case, there, random)
        masks = torch.zeros((len(prompts), *self.window), dtype=torch.bool)
        for mask, prompt in zip(masks, prompts, strict=True):
            for label in case.terms[prompt]:
                if label.value in there:
                    mask |= layers[label.layer] == label.value
        image = self.augmentation.change_intensities(image, random)
        return Window(number, image, prompts, case.case.modality, case.case.dataset, masks)

    def _centre(self, case: PreparedCase, terms: list[str], random: np.random.Generator) -> np.ndarray:
        """In voxels from the volume's corner, so that a voxel's own centre is at its index + 0.5."""
        shape, size = np.array(case.image.shape), np.array(self.window)
        if not terms:
            return random.uniform(0, shape)
        voxels = case.voxels[terms[random.integers(len(terms))]] if random.random() < 0.5 else case.labelled
        centre = voxels[int(random.integers(len(voxels)))] + 0.5 + random.uniform(-0.25, 0.25, 3) * size
        # as in the sliding window, a window stays inside the volume where it can
        return np.clip(centre, np.minimum(size, shape) / 2, np.maximum(shape - size / 2, shape / 2))

    def _prompts(self, case: PreparedCase, there: set[int], random: np.random.Generator) -> list[str]:
        present = [term for term in sorted(case.terms) if any(label.value in there for label in case.terms[term])]
        absent = [term for term in sorted(case.terms) if term not in present]
        most = self.prompts - min(self.prompts // 3, len(absent))
        present = [present[i] for i in random.permutation(len(present))][:most]
        room = min(max(len(present) // 2, 1), self.prompts - len(present))
        return present + [absent[i] for i in random.permutation(len(absent))][:room]


def _crop(case: PreparedCase, centre: np.ndarray, window, matrix: np.ndarray | None) -> tuple[Tensor, Tensor]:
    """A window, turned and zoomed by `matrix` (see `Augmentation.draw_matrix`); zero outside the volume.

    Only what lies under the window is read.

    Returns:
        Image (1, H, W, D), float32; labels (layer, H, W, D).
    """
    shape, size, spacing = np.array(case.image.shape), np.array(window), np.array(case.spacing)
    if matrix is None:  # whole voxels, as the network sees them when it is used
        first = np.round(centre - size / 2).astype(int)
        start, stop = np.clip(first, 0, shape), np.clip(first + size, 0, shape)
        image, labels = _read(case, start, stop)
        beyond = zip((start - first).tolist(), (first + size - stop).tolist(), strict=True)
        pad = [n for ends in reversed(list(beyond)) for n in ends]  # F.pad begins with the last axis
        return F.pad(image, pad), F.pad(labels, pad)
    turn = matrix * spacing[None, :] / spacing[:, None]  # in voxels
    reach = np.abs(turn) @ (size / 2) + 1
    start, stop = (
        np.clip(n, 0, shape) for n in (np.floor(centre - reach).astype(int), np.ceil(centre + reach).astype(int))
    )
    image, labels = _read(case, start, stop)
    part = stop - start
    scaled = turn * size[None, :] / part[:, None]
    offset = 2 * (centre - start) / part - 1
    # grid_sample orders coordinates (z, y, x), i.e. the last axis first
    theta = torch.from_numpy(np.concatenate((scaled[::-1, ::-1], offset[::-1, None]), 1).copy()).float()[None]
    grid = F.affine_grid(theta, [1, 1, *window], align_corners=False)
    image = F.grid_sample(image[None], grid, align_corners=False)[0]
    turned = F.grid_sample(labels[None].float(), grid, mode="nearest", align_corners=False)[0]
    return image, turned.to(labels.dtype)


def _read(case: PreparedCase, start: np.ndarray, stop: np.ndarray) -> tuple[Tensor, Tensor]:
    """Image (1, h, w, d), float32, and labels (layer, h, w, d) between two voxels."""
    box = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    return torch.from_numpy(case.image[box])[None].float(), torch.from_numpy(case.labels[(slice(None), *box)])
