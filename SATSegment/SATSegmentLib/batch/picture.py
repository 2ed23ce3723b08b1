"""A small picture of a case for the page of all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..imaging import Volume
from ..output import Segment
from ..output.planes import Plane, choose_planes, choose_window, render

_HEIGHT = 140  # pixels
_NARROWEST, _WIDEST = 0.5, 1.25  # width over height of a plane
_GAP = 4
_QUALITY = 82


def write_picture(path: Path, volume: Volume, segments: list[Segment]) -> None:
    """Writes a JPEG of an axial, a coronal and a sagittal plane with the segments' outlines, side by side.

    Args:
        path: A name that ends in .jpg.
        volume: The volume that was segmented.
        segments: May overlap, be empty, or be none.
    """
    from PIL import Image

    planes = choose_planes(volume, [segment.mask for segment in segments])
    window = choose_window(volume.modality, planes)
    colors = [segment.entry.color for segment in segments]
    gap = np.zeros((_HEIGHT, _GAP, 3), np.uint8)
    parts = []
    for plane in (_cropped(plane, window[0]) for plane in planes):
        aspect = plane.size[0] / plane.size[1]
        frame = np.zeros((_HEIGHT, round(_HEIGHT * float(np.clip(aspect, _NARROWEST, _WIDEST))), 3), np.uint8)
        scale = min(frame.shape[1] / plane.size[0], _HEIGHT / plane.size[1])
        width, height = (max(1, round(side * scale)) for side in plane.size)
        width, height = min(width, frame.shape[1]), min(height, _HEIGHT)
        top, left = (_HEIGHT - height) // 2, (frame.shape[1] - width) // 2
        frame[top : top + height, left : left + width] = render(plane, width, height, window, colors)
        parts += [frame, gap]
    Image.fromarray(np.concatenate(parts[:-1], axis=1)).save(path, "JPEG", quality=_QUALITY)


def _cropped(plane: Plane, black: float) -> Plane:
    """What of a plane is neither black nor empty."""
    shown = plane.grey > black
    for _, mask in plane.masks:
        shown = shown | mask
    if not shown.any():
        return plane
    rows, columns = (np.nonzero(shown.any(axis))[0] for axis in (1, 0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    grey = plane.grey[part]
    width, height = (
        size * part / whole for size, part, whole in zip(plane.size, grey.shape[::-1], shown.shape[::-1], strict=True)
    )
    return replace(plane, size=(width, height), grey=grey, masks=[(n, mask[part]) for n, mask in plane.masks])
