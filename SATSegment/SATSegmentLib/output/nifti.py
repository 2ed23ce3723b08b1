"""Segmentations as NIfTI: one label map, or one file a segment."""

from __future__ import annotations

import re
import unicodedata
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..imaging.volume import Volume
from .atomic import written
from .segment import Segment

_SCANNER = 1  # NIfTI's code of coordinates in the scanner, for both of its matrices
_LONGEST_NAME = 100  # letters; file systems end near 255


def write_label_map(path: Path, volume: Volume, segments: list[Segment]) -> None:
    """Writes one label map; the segments' values are 1, 2, ... in the order given.

    Args:
        path: A name that ends in .nii.gz or .nii.
        volume: The volume that was segmented.
        segments: May be none; no two may overlap.

    Raises:
        InputError: Two segments overlap; nothing was written.
        SATError: The file cannot be written.
    """
    for one, other in combinations(segments, 2):
        if one.mask.overlaps(other.mask):
            raise InputError(
                f"{one.name} and {other.name} overlap, which a single label map cannot hold; "
                "write .seg.nrrd, or one file a class."
            )
    labels = np.zeros(volume.shape, np.uint8 if len(segments) <= 255 else np.uint16, order="F")
    for label, segment in enumerate(segments, 1):
        labels[segment.mask.slices][segment.mask.block] = label
    with written(path) as temporary:
        _save(temporary, volume, labels)


def mask_paths(folder: Path, names: list[str]) -> list[Path]:
    """The files that `write_masks` writes for segments of these names, in their order.

    NAME.nii.gz, each name once, in letters every file system takes (a-z, 0-9, _).
    """
    taken: set[str] = set()
    paths = []
    for name in names:
        base = unique = _file_name(name)
        number = 1
        while unique in taken:
            number += 1
            unique = f"{base}_{number}"
        taken.add(unique)
        paths.append(Path(folder) / f"{unique}.nii.gz")
    return paths


def write_masks(folder: Path, volume: Volume, segments: list[Segment]) -> None:
    """Writes one mask a segment (0 and 1), to `mask_paths`; all of them or none.

    Existing files are replaced; ask `check_targets` first.

    Args:
        folder: Must exist.
        volume: The volume that was segmented.
        segments: May overlap.

    Raises:
        SATError: A file cannot be written.
    """
    paths = mask_paths(folder, [segment.name for segment in segments])
    with ExitStack() as stack:
        for path, segment in zip(paths, segments, strict=True):
            _save(stack.enter_context(written(path)), volume, segment.mask.array.astype(np.uint8))


def _save(path: Path, volume: Volume, labels: np.ndarray) -> None:
    import nibabel

    image = nibabel.Nifti1Image(labels, volume.affine)
    image.set_sform(volume.affine, _SCANNER)
    image.set_qform(volume.affine, _SCANNER)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)


def _file_name(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub("[^a-z0-9]+", "_", plain)[:_LONGEST_NAME].strip("_") or "segment"
