"""Bodies to synthesise pictures from: label maps of public atlases, completed to whole tissue maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from SATSegmentLib.errors import InputError

from ..tissue_map import TissueMap
from . import hra, spl_abdomen, spl_head_neck, spl_knee, synthseg

_SOURCES = {
    "synthseg": synthseg,
    "hra": hra,
    "spl_abdomen": spl_abdomen,
    "spl_head_neck": spl_head_neck,
    "spl_knee": spl_knee,
}
KINDS: dict[str, tuple[str, ...]] = {kind: source.MODALITIES for kind, source in _SOURCES.items()}


def read_body(kind: str, path: Path, random: np.random.Generator | None = None) -> TissueMap:
    """The body of one label map, completed with what the map leaves out.

    Args:
        kind: The source, one of `KINDS`.
        path: The label map.
        random: Varies what is added (fat, walls, lungs); None for the middle of everything.

    Raises:
        InputError: The kind is unknown, or the file cannot be read or is not of this source.
    """
    if kind not in _SOURCES:
        raise InputError(f'There are no label maps of the kind "{kind}"; choose one of {", ".join(_SOURCES)}.')
    return _SOURCES[kind].read(Path(path), random or Middle())


class Middle(np.random.Generator):
    """Draws the middle of every range."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def uniform(self, low=0.0, high=1.0, size=None):
        """The middle of the range."""
        return np.full(size, (low + high) / 2) if size else (low + high) / 2
