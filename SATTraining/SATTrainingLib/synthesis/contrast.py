"""How bright each tissue is in one picture: Hounsfield units in CT, anything in MRI."""

from __future__ import annotations

import numpy as np

from .tissues import TISSUES

Look = dict[str, tuple[float, float, float]]  # tissue: mean; deviations between structures, and within one

_DARK = ("gas", "lung", "lung vessel", "cortical bone", "tooth", "tendon")  # whatever the sequence
_ORAL = ("bowel",)
_CONTRAST = 0.3  # of CT with contrast medium that was drunk
_LIKE_A_SEQUENCE = 0.6  # of MRI that looks like T1 or T2; the rest has any order of brightness


def ct_look(random: np.random.Generator) -> Look:
    """Hounsfield units of every tissue: one body, one phase of contrast medium."""
    phase = random.choice(("none", "arterial", "portal"), p=(0.4, 0.2, 0.4))
    dose = random.uniform(0.6, 1.2)
    look = {}
    for name, tissue in TISSUES.items():
        enhanced = {"none": 0.0, "arterial": tissue.arterial, "portal": tissue.portal}[phase] * dose
        mean = tissue.hu + enhanced * random.uniform(0.85, 1.15) + tissue.spread * random.standard_normal()
        look[name] = (mean, tissue.spread / 2, tissue.texture * random.uniform(0.6, 1.4))
    if random.random() < _CONTRAST:
        for name in _ORAL:
            look[name] = (random.uniform(100, 350), 50.0, 40.0)
    return look


def mri_look(random: np.random.Generator) -> Look:
    """Brightness (0 to about 1) of every tissue, in the order of a T1 or T2 weighting or in any order."""
    ordered = random.random() < _LIKE_A_SEQUENCE
    t1 = random.random() < 0.5
    look = {}
    for name, tissue in TISSUES.items():
        plausible = (tissue.t1 if t1 else tissue.t2) + 0.05 * random.standard_normal()
        mean = plausible if ordered else random.uniform(0.05, 1.0)
        if name in _DARK:
            mean = random.uniform(0.0, 0.12)
        mean = max(mean, 0.0)
        between = 0.02 if ordered else 0.06
        look[name] = (mean, between * (mean > 0.15), random.uniform(0.01, 0.06) * min(1.0, 3 * mean))
    return look
