"""What is written: a mask with its name and meaning."""

from __future__ import annotations

from dataclasses import dataclass

from ..anatomy.codes import CodedEntry
from ..imaging.mask import Mask


@dataclass(frozen=True, eq=False)
class Segment:
    """One segmented structure.

    Attributes:
        name: What the user reads.
        mask: Where it is, on the volume's grid.
        entry: Its DICOM codes and recommended colour.
    """

    name: str
    mask: Mask
    entry: CodedEntry
