"""Heads with a labelled brain: the label maps that SynthSeg was trained on (Billot et al., Med Image Anal 2023).

Brain structures have FreeSurfer's numbers; the 500s are clusters of the tissues around the brain, which have no names:
their tissues were told by their looks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from ..tissue_map import TissueMap
from .label_map import read_labels
from .shapes import box_of

MODALITIES = ("ct", "mri")

_SIDED = {  # left value, right value: name, tissue
    (2, 41): ("cerebral white matter", "white matter"),
    (3, 42): ("cerebral cortex", "gray matter"),
    (4, 43): ("lateral ventricle", "fluid"),
    (5, 44): ("inf lat vent", "fluid"),
    (7, 46): ("cerebellum white matter", "white matter"),
    (8, 47): ("cerebellum cortex", "gray matter"),
    (10, 49): ("thalamus", "deep gray matter"),
    (11, 50): ("caudate", "deep gray matter"),
    (12, 51): ("putamen", "deep gray matter"),
    (13, 52): ("pallidum", "deep gray matter"),
    (17, 53): ("hippocampus", "gray matter"),
    (18, 54): ("amygdala", "gray matter"),
    (26, 58): ("accumbens area", "deep gray matter"),
    (28, 60): ("ventraldc", "brain stem"),
    (31, 63): ("choroid plexus", "soft"),
}
_MIDDLE = {
    14: ("3rd ventricle", "fluid"),
    15: ("4th ventricle", "fluid"),
    16: ("brain stem", "brain stem"),
    85: ("optic chiasm", "nerve"),
    512: ("spinal cord", "cord"),
}
_AROUND = {
    24: "fluid",
    502: "blood",
    507: "muscle",
    508: "soft",
    509: "soft",
    511: "fat",
    603: "skin",
    514: "vein",
    515: "cortical bone",
    516: "marrow",
    530: "nerve",
}
# lesions and vessels within the white matter, the fifth ventricle, choroid plexus
_SAME_AS = {25: 2, 57: 41, 30: 2, 62: 41, 72: 14, 77: 2, 80: 2, 136: 31, 137: 31, 163: 63, 164: 63}
_EYES, _LEFT_EYE, _RIGHT_EYE = 506, 601, 602
_SCALP, _SKIN = 511, 603
_CORD, _LEAST_CORD = 512, 2000


def read(path: Path, random: np.random.Generator) -> TissueMap:
    """A head of these label maps; 1 mm."""
    values, spacing = read_labels(path, {2, 41})
    for value, same in _SAME_AS.items():
        values[values == value] = same
    head = list(box_of(ndimage.binary_opening(values > 0, iterations=2), 4))
    head[2] = slice(head[2].start + 6, head[2].stop)  # ends within the neck, not in the air below
    head = tuple(head)
    values = np.ascontiguousarray(values[head])
    eyes = values == _EYES
    middle = np.argwhere(values == 16)[:, 0].mean()
    right = np.arange(values.shape[0])[:, None, None] > middle
    values[eyes] = np.where(np.broadcast_to(right, eyes.shape)[eyes], _RIGHT_EYE, _LEFT_EYE)

    inside = ndimage.binary_erosion(ndimage.binary_fill_holes(values > 0), iterations=2, border_value=1)
    values[(values == _SCALP) & ~inside] = _SKIN

    labels = {_LEFT_EYE: "left eyeball", _RIGHT_EYE: "right eyeball"}
    tissues = {_LEFT_EYE: "eye", _RIGHT_EYE: "eye"} | _AROUND
    for (left, right), (name, tissue) in _SIDED.items():
        labels |= {left: f"left {name}", right: f"right {name}"}
        tissues |= {left: tissue, right: tissue}
    for value, (name, tissue) in _MIDDLE.items():
        labels[value], tissues[value] = name, tissue
    if np.count_nonzero(values == _CORD) < _LEAST_CORD:  # a few voxels of its cluster in a head without a neck
        del labels[_CORD]
    return TissueMap(path.name.split(".")[0], "synthseg", values, spacing, tissues, labels, MODALITIES)
