"""Cases on the network's grid, and the windows drawn from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging import Volume, prepare
from SATSegmentLib.network import SATConfig

from .augmentation import augment_intensities, draw_zoom_and_rotation
from .cases import Case, DatasetRecipe
from .lungs import label_lungs

_LEFT_LUNG, _RIGHT_LUNG = 32001, 32002  # label values of derived lungs


@dataclass(frozen=True, eq=False)
class PreparedCase:
    """A case as the network sees it.

    Attributes:
        case: Where it came from.
        image: Normalised, float16, axes (R, A, S).
        labels: Label map on the same grid, int16.
        terms: Term to label values; empty values for a term known to be absent.
        spacing: Millimetres along the axes.
        voxels: For each term that is there, a sample of its voxels (n, 3) to centre windows on.
    """

    case: Case
    image: Tensor
    labels: Tensor
    terms: dict[str, tuple[int, ...]]
    spacing: tuple[float, float, float]
    voxels: dict[str, np.ndarray]


def prepare_case(case: Case, recipe: DatasetRecipe, config: SATConfig) -> PreparedCase:
    """Reads and preprocesses one case.

    Raises:
        InputError: Image and mask are not on the same grid, a label does not fit, or all are empty.
    """
    volume = Volume.read(case.image, case.modality)
    mask = Volume.read(case.mask, case.modality)
    if mask.shape != volume.shape or not np.allclose(mask.affine, volume.affine, atol=1e-2):
        raise InputError(f"{case.id}: the mask is not on the image's grid.")
    if mask.array.max() >= _LEFT_LUNG or mask.array.min() < 0:
        raise InputError(f"{case.id}: label values must lie between 0 and {_LEFT_LUNG - 1}.")
    image, grid = prepare(volume, config.spacing, config.axis_codes)
    labels = grid.resample(mask.array.astype(np.int16), nearest=True)
    terms = recipe.terms_of(case)
    if recipe.lungs_from_air:
        terms |= _add_lungs(grid.resample(volume.array), labels, terms, config.spacing)
    voxels = {}
    random = np.random.default_rng(0)
    for term, values in terms.items():
        index = np.argwhere(np.isin(labels, values)) if values else np.empty((0, 3), int)
        if len(index):
            voxels[term] = random.permutation(index)[:2000].astype(np.int16)
    if not voxels:
        raise InputError(f"{case.id}: none of its labels has a voxel; there is nothing to learn from.")
    return PreparedCase(case, torch.from_numpy(image).half(), torch.from_numpy(labels), terms, config.spacing, voxels)


def _add_lungs(hounsfield, labels, terms, spacing) -> dict[str, tuple[int, ...]]:
    cord, above = terms.get("spinal cord"), terms.get("larynx") or terms.get("mandible")
    if not cord or not above:
        return {}
    midline, top = np.nonzero(np.isin(labels, cord))[0], np.nonzero(np.isin(labels, above))[2]
    if not midline.size or not top.size:
        return {}
    left, right = label_lungs(hounsfield, spacing, int(top.min()), float(np.median(midline)))
    if not left.any() or not right.any():
        return {}
    labels[left & (labels == 0)] = _LEFT_LUNG
    labels[right & (labels == 0)] = _RIGHT_LUNG
    return {"left lung": (_LEFT_LUNG,), "right lung": (_RIGHT_LUNG,), "lung": (_LEFT_LUNG, _RIGHT_LUNG)}


@dataclass(frozen=True)
class Window:
    """One training sample.

    Attributes:
        image: (1, H, W, D), float32.
        prompts: The terms asked.
        modality: Of the case.
        masks: (N, H, W, D), bool.
    """

    image: Tensor
    prompts: list[str]
    modality: str
    masks: Tensor


class WindowSampler(torch.utils.data.Dataset):
    """Batches of windows; item `step` is the same whenever and wherever it is drawn.

    Cases are drawn with weight 1 / sqrt(size of their data set), windows are centred near a voxel of a
    random term, and the terms in the window are asked together with absent ones, up to half as many.

    Args:
        cases: Prepared cases.
        window: Voxels along (R, A, S).
        batch: Windows a step.
        prompts: Terms a window at most.
        seed: Of everything random here.
    """

    def __init__(self, cases: list[PreparedCase], window, batch: int, prompts: int, seed: int) -> None:
        self.cases = cases
        self.window = tuple(window)
        self.batch = batch
        self.prompts = prompts
        self.seed = seed
        datasets = [case.case.dataset for case in cases]
        weights = np.array([datasets.count(name) ** -0.5 for name in datasets])
        self.weights = weights / weights.sum()

    def __getitem__(self, step: int) -> list[Window]:
        random = np.random.default_rng([self.seed, step])
        return [self._draw(random) for _ in range(self.batch)]

    def _draw(self, random: np.random.Generator) -> Window:
        case = self.cases[random.choice(len(self.cases), p=self.weights)]
        term = random.choice(sorted(case.voxels))
        centre = random.choice(case.voxels[term]).astype(np.float64)
        image, labels = _crop(case, centre, self.window, random)
        prompts = self._prompts(case, labels, random)
        masks = torch.stack([torch.isin(labels, torch.tensor(case.terms[p], dtype=labels.dtype)) for p in prompts])
        return Window(augment_intensities(image, random), prompts, case.case.modality, masks)

    def _prompts(self, case: PreparedCase, labels: Tensor, random: np.random.Generator) -> list[str]:
        there = set(labels.unique().tolist())
        present = [term for term, values in case.terms.items() if there.intersection(values)]
        absent = [term for term in case.terms if term not in present]
        present = [present[i] for i in random.permutation(len(present))][: self.prompts]
        room = min(max(len(present) // 2, 1), self.prompts - len(present))
        return present + [absent[i] for i in random.permutation(len(absent))][:room]


def _crop(case: PreparedCase, centre: np.ndarray, window, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A window around `centre`, jittered, zoomed and turned; zero outside the volume."""
    shape, size, spacing = np.array(case.image.shape), np.array(window), np.array(case.spacing)
    centre = centre + 0.5 + random.uniform(-0.25, 0.25, 3) * size
    # as in the sliding window, a window stays inside the volume where it can
    centre = np.clip(centre, np.minimum(size, shape) / 2, np.maximum(shape - size / 2, shape / 2))
    turn = draw_zoom_and_rotation(random) * spacing[None, :] / spacing[:, None]  # in voxels
    matrix = turn * size[None, :] / shape[:, None]
    offset = 2 * centre / shape - 1
    # grid_sample orders coordinates (z, y, x), i.e. the last axis first
    theta = torch.from_numpy(np.concatenate((matrix[::-1, ::-1], offset[::-1, None]), 1).copy()).float()[None]
    grid = F.affine_grid(theta, [1, 1, *window], align_corners=False)
    image = F.grid_sample(case.image[None, None].float(), grid, align_corners=False)[0]
    labels = F.grid_sample(case.labels[None, None].float(), grid, mode="nearest", align_corners=False)[0, 0]
    return image, labels.to(torch.int16)
