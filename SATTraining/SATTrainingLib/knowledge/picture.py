"""A map of a text encoder's structures: near where it takes them for alike, coloured by region."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from SATSegmentLib.anatomy.groups import GROUPS
from SATSegmentLib.output.atomic import written

from .concepts import Concept

_MOST = 4000  # dots, so that single ones can be seen


def draw_map(path: Path, vectors: dict[str, np.ndarray], concepts: Sequence[Concept]) -> None:
    """Writes a PNG of the first two principal components of structures without side, one plot an encoder.

    Sides are left out, as they would be the first component.

    Args:
        path: The file.
        vectors: Title of a plot to the unit vectors of the concepts' names (N, C).
        concepts: In the order of the vectors.

    Raises:
        SATError: The file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    plain = np.array([row for row, concept in enumerate(concepts) if not concept.side])
    chosen = np.random.default_rng(0).permutation(len(plain))[:_MOST]
    regions = sorted({concept.region for concept in concepts})
    colours = _colours(len(regions))
    figure = Figure(figsize=(7 * len(vectors) + 1.5, 7), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(vectors), squeeze=False)[0]
    for ax, (title, rows) in zip(axes, vectors.items(), strict=True):
        places = principal_components(rows[plain])[chosen]
        for region, colour in zip(regions, colours, strict=True):
            of = [row for row, index in enumerate(plain[chosen]) if concepts[index].region == region]
            ax.scatter(*places[of].T, s=4, color=colour, label=GROUPS[region].name, linewidths=0)
        ax.set_title(title)
        ax.set_xticks([])
        ax.set_yticks([])
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", markerscale=4, frameon=False)
    with written(path) as temporary:
        figure.savefig(temporary, dpi=120)


def principal_components(vectors: np.ndarray) -> np.ndarray:
    """The first two (N, 2) of rows (N, C); their signs are such that the largest part of a direction is positive."""
    centred = vectors - vectors.mean(0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    two = directions[:, ::-1][:, :2]
    two = two * np.sign(two[np.abs(two).argmax(0), range(2)])
    return centred @ two


def _colours(count: int) -> list:
    from matplotlib import colormaps

    return [colormaps["tab10"](n % 10) for n in range(count)]
