"""A labelled body without an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class TissueMap:
    """A labelled body without an image: what pictures are synthesised from.

    Attributes:
        name: Of the body, such as "hra_male".
        dataset: The group it belongs to, such as "hra".
        values: (R, A, S) integers; 0 is the air around the body.
        spacing: Millimetres along R, A, S.
        tissues: Every value but 0 to the name of a tissue of `tissues.TISSUES`.
        labels: Value to the label's name, of those that are annotated; the others only fill the picture.
        modalities: The pictures that make sense of it: "ct", "mri" or both.
    """

    name: str
    dataset: str
    values: np.ndarray
    spacing: tuple[float, float, float]
    tissues: dict[int, str]
    labels: dict[int, str]
    modalities: tuple[str, ...]
