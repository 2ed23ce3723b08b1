"""Which kind of scan a volume is: told by a word, else guessed from its intensities."""

from __future__ import annotations

import numpy as np

from ..errors import InputError

MODALITIES = ("ct", "mri", "us", "pet")  # in the order of SAT's modality embedding

# SAT maps free words by substring; longer words of one modality come before shorter ones of another.
_WORDS = {"mri": ("t1", "t2", "mri", "mr", "flair", "dwi"), "pet": ("pet",), "us": ("ultrasound",), "ct": ("ct",)}
_DICOM = {"CT": "ct", "MR": "mri", "PT": "pet", "US": "us"}

# Air is near -1000 HU and fat near -100 HU; no other modality has such values unless it was standardised,
# and then they stay within a few units of zero.
_CT_BELOW = -100


def modality_of_word(word: str) -> str:
    """The modality that a word such as "T1w", "CT" or "FLAIR" means.

    Raises:
        InputError: The word names none.
    """
    lower = word.strip().lower()
    if lower in MODALITIES:
        return lower
    for modality, words in _WORDS.items():
        if any(part in lower for part in words):
            return modality
    raise InputError(f'"{word}" is no modality; use one of {", ".join(MODALITIES)}.')


def modality_of_dicom(tag: str) -> str | None:
    """The modality of DICOM attribute (0008,0060), or None for one SAT does not know."""
    return _DICOM.get(tag.strip().upper())


def guess_modality(array: np.ndarray) -> str:
    """ "ct" where intensities reach below fat's Hounsfield units, else "mri".

    A guess only: PET and ultrasound cannot be told from MRI by their intensities.
    """
    return "ct" if array.size and float(array.min()) < _CT_BELOW else "mri"
