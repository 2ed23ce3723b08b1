"""Measurements of segments, and tables of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from ..anatomy.codes import Code
from ..errors import InputError
from ..imaging.mask import Mask
from ..imaging.volume import Volume
from .atomic import written
from .measurements import INTENSITIES, intensities, parts, surface_area
from .segment import Segment

_BOX = ("i0", "i1", "j0", "j1", "k0", "k1")
_EXTENTS = ("r_min", "r_max", "a_min", "a_max", "s_min", "s_max")
COLUMNS = (
    "name",
    "voxels",
    "volume_ml",
    "mean",
    "std",
    *_BOX,
    *_EXTENTS,
    "touches_border",
    "confidence",
    "type",
    "modifier",
    *INTENSITIES,
    "surface_mm2",
    "components",
    "largest_share",
    "cleaned",
)


def measure(volume: Volume, segment: Segment, confidence: float | None = None, cleaned: str = "") -> dict:
    """One row of a table, with the keys of `COLUMNS`.

    Args:
        volume: The volume that was segmented.
        segment: What was found in it.
        confidence: The model's, where it is known.
        cleaned: What was done to the mask after the model gave it, in the words of `cleaning.clean`.

    Returns:
        `voxels`; `volume_ml`; `mean` and `std` (population) of the volume's intensities; `i0` to `k1`, the
        bounding box's first and last voxels; `r_min` to `s_max`, the RAS millimetres between which the
        voxels' centres lie; `touches_border`, whether the segment reaches the volume's first or last voxel
        along an axis; `type` and `modifier`, codes such as "SCT 39607008 Lung"; `median` to `max`, more of the
        intensities; `surface_mm2`; `components`, how many connected parts there are, and `largest_share`, the
        largest one's share of the voxels; `cleaned`. What does not exist is None.
    """
    mask = segment.mask
    row = dict.fromkeys(COLUMNS)
    row |= {
        "name": segment.name,
        "voxels": mask.voxels,
        "volume_ml": millilitres(volume, mask),
        "touches_border": False,
        "confidence": confidence,
        "type": _code(segment.entry.type),
        "modifier": _code(segment.entry.modifier),
        "surface_mm2": 0.0,
        "components": 0,
        "cleaned": cleaned or None,
    }
    if not mask.voxels:
        return row
    values = volume.array[mask.slices][mask.block]
    box = [(where.start, where.stop - 1) for where in mask.slices]
    components, largest_share = parts(mask)
    return row | {
        "mean": float(values.mean(dtype=np.float64)),
        "std": float(values.std(dtype=np.float64)),
        **dict(zip(_BOX, [bound for bounds in box for bound in bounds], strict=True)),
        **dict(zip(_EXTENTS, _extents(mask, volume.affine), strict=True)),
        "touches_border": any(first == 0 or last == n - 1 for (first, last), n in zip(box, mask.shape, strict=True)),
        **intensities(values),
        "surface_mm2": surface_area(mask, volume.spacing),
        "components": components,
        "largest_share": largest_share,
    }


def millilitres(volume: Volume, mask: Mask) -> float:
    """The space that a mask's voxels fill."""
    return mask.voxels * float(abs(np.linalg.det(volume.affine[:3, :3]))) / 1000


def write_table(path: Path, rows: list[dict], first: tuple[str, ...] = ()) -> None:
    """Writes rows of `measure` as .csv (empty cells for None) or .json.

    Args:
        path: Whose name ends in .csv or .json.
        rows: The columns of a .csv are `first`, then `COLUMNS`, then what else they have.
        first: Keys of its own columns, such as a case's name.

    Raises:
        InputError: The name ends in neither.
        SATError: The file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".json"):
        raise InputError(f"{path} is no name for a table; give one that ends in .csv or .json.")
    with written(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        if suffix == ".json":
            json.dump(rows, file, indent=2, ensure_ascii=False)
            file.write("\n")
        else:
            columns = dict.fromkeys([*first, *COLUMNS, *(key for row in rows for key in row)])
            writer = csv.DictWriter(file, list(columns))
            writer.writeheader()
            writer.writerows(rows)


def _code(code: Code | None) -> str | None:
    return None if code is None else f"{code.scheme} {code.value} {code.meaning}"


def _extents(mask: Mask, affine: np.ndarray) -> list[float]:
    """Smallest and largest R, A and S of the voxels' centres, in millimetres."""
    # A line of voxels is extreme at its ends, so these stand for all voxels
    j, k = np.nonzero(mask.block.any(0))
    first = mask.block.argmax(0)[j, k]
    last = mask.block.shape[0] - 1 - mask.block[::-1].argmax(0)[j, k]
    ends = np.concatenate([np.stack([i, j, k], 1) for i in (first, last)]) + mask.start
    points = ends @ affine[:3, :3].T + affine[:3, 3]
    return [float(bound) for axis in points.T for bound in (axis.min(), axis.max())]
