"""Pictures of labelled bodies, in the manner of SynthSeg (Billot et al., Medical Image Analysis 2023)."""

from __future__ import annotations

import numpy as np

from SATSegmentLib.errors import SATError

from .acquisition import Voxels, blur, ct_noise, lay_on_table, mri_signal
from .contrast import ct_look, mri_look
from .deformation import random_displacement, random_matrix, sample
from .painting import paint
from .tissue_map import TissueMap

_AIR = -1000.0  # Hounsfield units
_TRIES = 20
_LONG = 320.0  # millimetres; a longer body is seldom seen whole
_WHOLE = {False: 0.6, True: 0.2}  # of pictures, of short and of long bodies
_SHORTEST = {False: 0.55, True: 0.2}  # share of the body that is seen along S
_LEAST = 150.0  # millimetres of a long body
_NARROW = 0.2  # of pictures that cut the sides off
_MARGIN = 35.0  # millimetres of air at most


def generate(
    body: TissueMap, random: np.random.Generator, modality: str
) -> tuple[np.ndarray, np.ndarray, tuple[float, float, float]]:
    """A picture of a part of a body, in another shape, and what lies where.

    Args:
        body: Never mirrored: left stays left.
        random: Everything is drawn from it; the same state gives the same picture.
        modality: "ct" or "mri".

    Returns:
        The picture, float32 (R, A, S): Hounsfield units, or any unit from 0 in MRI; the map's values of annotated
        structures in its voxels, 0 elsewhere, integers; millimetres between voxels.

    Raises:
        SATError: No annotated structure comes into any picture.
    """
    annotated = np.zeros(max(*body.tissues, *body.labels) + 1, bool)
    annotated[list(body.labels)] = True
    rows = np.flatnonzero(annotated[body.values].any((0, 1)))
    for _ in range(_TRIES if rows.size else 0):
        voxels, values = _shape(body, rows, modality, random)
        labels = voxels.middle(values)
        labels = np.where(annotated[labels], labels, 0)
        if labels.any():
            break
    else:
        raise SATError(f"No picture of {body.name} shows a structure that is annotated in it; give it more labels.")
    if modality == "ct":
        samples = paint(values, voxels.sample_spacing, body.tissues, ct_look(random), _AIR, random)
        lay_on_table(samples, values > 0, voxels.sample_spacing, random)
        image = ct_noise(voxels.mean(blur(samples, voxels, random)), voxels.spacing, random)
    else:
        samples = paint(values, voxels.sample_spacing, body.tissues, mri_look(random), 0.0, random)
        image = mri_signal(voxels.mean(blur(samples, voxels, random)), voxels.spacing, random)
    return image.astype(np.float32), labels, voxels.spacing


def _shape(body: TissueMap, rows: np.ndarray, modality: str, random: np.random.Generator) -> tuple[Voxels, np.ndarray]:
    """Voxels, and the map's values at their samples."""
    start, stop = _field_of_view(body, rows, random)
    seen = stop - start
    matrix = random_matrix(seen, random)
    voxels = Voxels.draw(seen / np.linalg.norm(matrix, axis=0), modality, random)
    size = np.array(voxels.shape) * voxels.spacing
    extent = max(n * s for n, s in zip(body.values.shape, body.spacing, strict=True))
    displacement = random_displacement(size, extent, random)
    middle = (start + stop) / 2
    values = sample(body.values, body.spacing, middle, voxels.sample_shape, voxels.sample_spacing, matrix, displacement)
    return voxels, values


def _field_of_view(body: TissueMap, rows: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """First and last millimetre of the map that are seen, along (R, A, S) from its first voxel.

    One of `rows`, the slices with annotated structures, is among it.
    """
    spacing = np.array(body.spacing)
    filled = body.values > 0
    ends = [np.flatnonzero(filled.any(tuple({0, 1, 2} - {axis})))[[0, -1]] for axis in range(3)]
    start, stop = (np.array(ends).T * spacing).astype(float)
    last = (np.array(body.values.shape) - 1) * spacing
    narrow = random.random() < _NARROW
    for axis in range(2):
        for end, outwards in ((start, -1), (stop, 1)):
            cut = -random.uniform(0, 0.12) * (stop - start)[axis] if narrow else random.uniform(3, _MARGIN)
            touches = start[axis] <= 0 if outwards < 0 else stop[axis] >= last[axis]
            end[axis] += outwards * (min(cut, 0.0) if touches else cut)
    height = stop[2] - start[2]
    long = height > _LONG
    if random.random() > _WHOLE[long]:
        length = min(height, max(_LEAST if long else 0.0, random.uniform(_SHORTEST[long], 1.0) * height))
        first = random.choice(rows) * spacing[2] - random.uniform(0, 1) * length
        first = np.clip(first, start[2], stop[2] - length)
        start[2], stop[2] = first, first + length
    return start, stop
