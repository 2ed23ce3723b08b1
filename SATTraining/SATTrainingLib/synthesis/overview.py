"""A picture of synthesised cases, to look at before anything is trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from SATSegmentLib.imaging import Volume
from SATSegmentLib.output import written
from SATSegmentLib.output.planes import Plane, choose_window

from ..cases import Case
from ..cases.masks import read_layers

_CASES = 24  # at most
_COLUMNS = 2  # of cases
_ENLARGED = 3  # pixels a voxel, so that outlines are thin
_ROW, _WIDTH, _DPI = 2.0, 18.0, 80  # inches, pixels an inch
_AXES = (2, 1, 0)  # across the axial, the coronal and the sagittal plane


def write_overview(path: Path, cases: Sequence[Case]) -> None:
    """Writes a PNG: of each case three planes through as many structures as can be, with their outlines.

    Args:
        path: A name that ends in .png.
        cases: One at least, on (R, A, S) grids; evenly spread ones are shown where there are many.

    Raises:
        InputError: A file of a case cannot be read.
        SATError: The picture cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [cases[i] for i in np.unique(np.linspace(0, len(cases) - 1, _CASES).round().astype(int))]
    rows = -(-len(shown) // _COLUMNS)
    figure = Figure(figsize=(_WIDTH, _ROW * rows), dpi=_DPI, facecolor="black", layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for figure_axes in (grid := figure.subplots(rows, 3 * _COLUMNS, squeeze=False)).flat:
        figure_axes.set_axis_off()
    for number, case in enumerate(shown):
        row, column = divmod(number, _COLUMNS)
        _draw(grid[row, 3 * column : 3 * column + 3], case)
    with written(path) as temporary:
        canvas.print_png(str(temporary))


def _draw(places, case: Case) -> None:
    """Three planes of a case, in radiological convention."""
    volume = Volume.read(case.image, case.modality)
    labels = read_layers(case)[0][..., 0]
    planes, marks = [], []
    for axis in _AXES:
        others = [other for other in range(3) if other != axis]
        rows = [len(np.unique(plane)) for plane in np.moveaxis(labels, axis, 0)]
        index = int(np.median(np.flatnonzero(np.equal(rows, max(rows)))))
        grey, mark = (array.take(index, axis).T[::-1, ::-1] for array in (volume.array, labels))
        size = tuple(volume.shape[other] * volume.spacing[other] for other in others)
        planes.append(Plane("", "", size, grey, [(0, mark > 0)]))
        marks.append(mark)
    low, high = choose_window(case.modality, planes)
    for place, plane, mark in zip(places, planes, marks, strict=True):
        extent = (0, plane.size[0], 0, plane.size[1])
        place.imshow(plane.grey, "gray", vmin=low, vmax=high, extent=extent)
        place.imshow(_outlines(mark), extent=extent, interpolation="nearest")
    places[0].set_title(case.id, color="white", fontsize=7, loc="left")


def _outlines(labels: np.ndarray) -> np.ndarray:
    """Where structures end, each in a colour of its own; clear elsewhere; RGBA, 0 to 1."""
    from matplotlib import colormaps

    large = labels.repeat(_ENLARGED, 0).repeat(_ENLARGED, 1)
    padded = np.pad(large, 1, mode="edge")
    inner = (padded[:-2, 1:-1] == large) & (padded[2:, 1:-1] == large)
    inner &= (padded[1:-1, :-2] == large) & (padded[1:-1, 2:] == large)
    colors = colormaps["hsv"](large * 0.618 % 1)  # neighbouring values get colours far apart
    colors[..., 3] = (large > 0) & ~inner
    return colors
