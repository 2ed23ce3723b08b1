"""Cases on the network's grid."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from SATSegmentLib.errors import InputError, SATError
from SATSegmentLib.imaging import Grid, Volume, prepare
from SATSegmentLib.network import SATConfig

from ..cases import Case, DatasetLabels, Label
from ..cases.masks import read_layers
from .lungs import TERMS, label_lungs

VERSION = 1  # of what is prepared from a case; another one makes kept cases worthless
_SAMPLE = 2000  # voxels kept to centre windows on


@dataclass(frozen=True)
class StoredArray:
    """An array in a .npy file of which only what is asked for is read.

    The file is open only while it is read: thousands of cases may be at hand, and pickling one costs a path.

    Attributes:
        path: The file.
        shape: As far as it belongs to this array.
        start: First row of it in the file's array.
    """

    path: Path
    shape: tuple[int, ...]
    start: int = 0

    def __getitem__(self, index) -> np.ndarray:
        """A copy in memory of what `index` selects.

        Raises:
            SATError: The file was removed or changed.
        """
        try:
            whole = np.load(self.path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise SATError(f"{self.path} of the prepared cases is gone or damaged; start again.") from error
        return np.array(whole[self.start : self.start + self.shape[0]][index])

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.asarray(self[:], dtype)


@dataclass(frozen=True, eq=False)
class PreparedCase:
    """A case as the network sees it.

    Attributes:
        case: Where it came from.
        image: Normalised, float16, axes (R, A, S).
        labels: Layers of label values on the same grid, axes (layer, R, A, S), 0 for none.
        terms: Term to its labels, whose `value` and `layer` are those of `labels` here, not the mask's; none for a
            term known to be absent.
        spacing: Millimetres along the axes.
        voxels: For each term that is there, a sample of its voxels (n, 3) to centre windows on.
        labelled: A sample of the voxels of all terms together (n, 3), large structures in proportion.
    """

    case: Case
    image: np.ndarray | StoredArray
    labels: np.ndarray | StoredArray
    terms: dict[str, tuple[Label, ...]]
    spacing: tuple[float, float, float]
    voxels: dict[str, np.ndarray | StoredArray]
    labelled: np.ndarray | StoredArray


def prepare_case(case: Case, labels: DatasetLabels, network: SATConfig) -> PreparedCase:
    """Reads a case and brings it to the network's grid.

    An annotated label without a voxel in the mask is taught as absent; one whose voxels are all lost on the grid, or
    lie outside the part of the scan the network sees, is unknown here.

    Raises:
        InputError: A file cannot be read, the mask is not on the image's grid, or nothing is there to learn from.
    """
    volume = Volume.read(case.image, case.modality)
    masks, _ = read_layers(case)
    image, grid = prepare(volume, network.spacing, network.axis_codes)
    taught = labels.terms_of(case)
    layers, packed = _pack(masks, grid, {label for parts in taught.values() for label in parts})
    terms = {term: tuple(packed[label] for label in parts) for term, parts in taught.items()}
    if labels.lungs_from_air:
        if network.axis_codes != "RAS":
            raise InputError(f"Lungs are found by their air on RAS axes only, not {network.axis_codes}.")
        terms |= _add_lungs(grid.resample(volume.array), layers, terms, network.spacing)
    places = _places(layers)
    for term, parts in taught.items():
        if not any(part.value in places for part in terms[term]) and _is_in(masks, parts):
            del terms[term]
    if not terms:
        raise InputError(
            f"{case.id}: there is nothing to learn from it: none of its labels teaches a term, or all are smaller "
            "than a voxel of the network or lie outside the tissue; leave the case out."
        )
    random = np.random.default_rng(0)
    voxels = {}
    for term, parts in terms.items():
        found = [places[value] for value in sorted({part.value for part in parts}) if value in places]
        if found:
            voxels[term] = _sample(np.concatenate(found), layers.shape[1:], random)
    there = {part.value for parts in terms.values() for part in parts} & set(places)
    labelled = np.concatenate([places[value] for value in sorted(there)] or [np.empty(0, np.intp)])
    labelled = _sample(labelled, layers.shape[1:], random)
    return PreparedCase(case, image.astype(np.float16), layers, terms, network.spacing, voxels, labelled)


def _pack(masks: np.ndarray, grid: Grid, labels: set[Label]) -> tuple[np.ndarray, dict[Label, Label]]:
    """Labels on the network's grid in as few layers as their overlap allows, numbered anew from 1.

    Args:
        masks: (I, J, K, layer).
        grid: The network's.
        labels: Which are wanted.

    Returns:
        (layers, packed): (layer, R, A, S); each label with its value and layer there. Two values stay free.
    """
    numbers = {place: n for n, place in enumerate(sorted({(label.layer, label.value) for label in labels}), start=1)}
    kind = np.uint8 if len(numbers) + 2 <= np.iinfo(np.uint8).max else np.int16
    layers = [np.zeros(grid.crop_shape, kind)]
    where = {}
    for layer in sorted({layer for layer, _ in numbers}):
        source = grid.resample(masks[..., layer], nearest=True)
        renumbered = np.zeros(grid.crop_shape, kind)
        for (own, value), number in numbers.items():
            if own == layer:
                renumbered[source == value] = number
        for index, target in enumerate(layers):
            if not np.logical_and(target, renumbered).any():
                target |= renumbered
                where[layer] = index
                break
        else:
            where[layer] = len(layers)
            layers.append(renumbered)
    packed = {
        label: dataclasses.replace(label, value=numbers[label.layer, label.value], layer=where[label.layer])
        for label in labels
    }
    return np.stack(layers), packed


def _add_lungs(hounsfield, layers, terms, spacing) -> dict[str, tuple[Label, ...]]:
    """Derived lungs in the first of `layers`, and their terms; none where they cannot be told, or were annotated."""
    cord, above = terms.get("spinal cord"), terms.get("larynx") or terms.get("mandible")
    if not cord or not above or terms.keys() & set(TERMS):
        return {}
    midline, top = (
        np.nonzero(np.logical_or.reduce([layers[part.layer] == part.value for part in parts]))[axis]
        for parts, axis in ((cord, 0), (above, 2))
    )
    if not midline.size or not top.size:
        return {}
    left, right = label_lungs(hounsfield, spacing, int(top.min()), float(np.median(midline)))
    if not left.any() or not right.any():
        return {}
    value = max(part.value for parts in terms.values() for part in parts)
    parts = Label(TERMS[0], value + 1), Label(TERMS[1], value + 2)
    for part, lung in zip(parts, (left, right), strict=True):
        layers[0][lung & (layers[0] == 0)] = part.value
    return dict(zip(TERMS, (parts[:1], parts[1:], parts), strict=True))


def _places(layers: np.ndarray) -> dict[int, np.ndarray]:
    """Label value to the flat indices of its voxels, for those that have any."""
    places = {}
    for layer in layers:
        index = np.flatnonzero(layer)
        values = layer.ravel()[index]
        index = index[np.argsort(values, kind="stable")]
        found, counts = np.unique(values, return_counts=True)
        places |= dict(zip(found.tolist(), np.split(index, np.cumsum(counts)[:-1]), strict=True)) if len(found) else {}
    return places


def _sample(index: np.ndarray, shape, random: np.random.Generator) -> np.ndarray:
    """At most `_SAMPLE` of flat indices, as voxels (n, 3)."""
    index = random.choice(index, min(len(index), _SAMPLE), replace=False)
    return np.stack(np.unravel_index(index, shape), -1).astype(np.int16)


def _is_in(masks: np.ndarray, labels: tuple[Label, ...]) -> bool:
    return any((masks[..., label.layer] == label.value).any() for label in labels)
