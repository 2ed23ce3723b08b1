"""A picture of a result: three planes and a legend."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np

from ..imaging.volume import Volume
from .atomic import written
from .planes import Plane, choose_planes, choose_window, render
from .segment import Segment
from .table import millilitres

# All lengths are in pixels from the top left corner
_DPI = 100
_WIDTH = 1800
_MARGIN = 24
_GAP = 16
_TALLEST = 760  # of a plane
_NARROWEST, _WIDEST = 0.35, 2.5  # width over height of a plane's frame; longer planes leave part of it black
_TITLE_SIZE, _PLANE_SIZE, _LEGEND_SIZE = 13, 11, 10  # points
_TITLE_LINE, _PLANE_LINE, _LEGEND_LINE = 28, 24, 20
_TITLE_LETTERS, _LEGEND_LETTERS = 85, 44  # a line
_SWATCH = 12


def write_overview(path: Path, volume: Volume, segments: list[Segment], title: str) -> None:
    """Writes a PNG of three planes in radiological convention (the patient's right is on the left) and a legend.

    Args:
        path: A name that ends in .png.
        volume: The volume that was segmented.
        segments: May overlap, be empty, or be none.
        title: Above the planes.

    Raises:
        SATError: The file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    planes = choose_planes(volume, [segment.mask for segment in segments])
    window = choose_window(volume.modality, planes)
    colors = [segment.entry.color for segment in segments]
    title_lines = textwrap.wrap(title, _TITLE_LETTERS)
    frames, frame_height = _frames(planes)
    planes_top = _MARGIN + len(title_lines) * _TITLE_LINE + _PLANE_LINE
    legend_top = planes_top + frame_height + _MARGIN
    legend, legend_height = _legend(volume, segments)
    height = legend_top + legend_height + _MARGIN

    figure = Figure(figsize=(_WIDTH / _DPI, height / _DPI), dpi=_DPI, facecolor="black")
    canvas = FigureCanvasAgg(figure)
    page = _Page(figure, height)
    for number, line in enumerate(title_lines):
        page.text(_MARGIN, _MARGIN + (number + 0.5) * _TITLE_LINE, line, _TITLE_SIZE)
    for plane, (left, width) in zip(planes, frames, strict=True):
        _draw_plane(page, plane, (left, planes_top, width, frame_height), window, colors)
    for left, top, lines, color in legend:
        if color is not None:
            page.rectangle(left, legend_top + top + (_LEGEND_LINE - _SWATCH) / 2, _SWATCH, _SWATCH, color)
        for number, line in enumerate(lines):
            page.text(left + _SWATCH + 8, legend_top + top + (number + 0.5) * _LEGEND_LINE, line, _LEGEND_SIZE)
    with written(path) as temporary:
        canvas.print_png(str(temporary))


class _Page:
    """Draws on a figure in pixels from its top left corner."""

    def __init__(self, figure, height: int) -> None:
        self._figure = figure
        self._height = height

    def text(self, x: float, y: float, text: str, size: float, **style) -> None:
        """White text that begins at `x`, its middle line at `y`."""
        style = {"va": "center_baseline", "color": "white", "parse_math": False, **style}
        self._figure.text(x / _WIDTH, 1 - y / self._height, text, size=size, **style)

    def letter(self, x: float, y: float, letter: str) -> None:
        """A letter around a point, legible on any grey."""
        from matplotlib.patheffects import withStroke

        self.text(x, y, letter, _PLANE_SIZE, ha="center", path_effects=[withStroke(linewidth=3, foreground="black")])

    def rectangle(self, x: float, y: float, width: float, height: float, color: tuple[int, int, int]) -> None:
        from matplotlib.patches import Rectangle

        corner = (x / _WIDTH, 1 - (y + height) / self._height)
        rgb = [channel / 255 for channel in color]
        self._figure.add_artist(Rectangle(corner, width / _WIDTH, height / self._height, facecolor=rgb, linewidth=0))

    def image(self, x: int, y: int, image: np.ndarray) -> None:
        self._figure.figimage(image, x, self._height - y - image.shape[0], origin="upper")


def _frames(planes: list[Plane]) -> tuple[list[tuple[int, int]], int]:
    """Left edge and width of each plane's frame, side by side, and their common height."""
    aspects = [float(np.clip(plane.size[0] / plane.size[1], _NARROWEST, _WIDEST)) for plane in planes]
    room = _WIDTH - 2 * _MARGIN - (len(planes) - 1) * _GAP
    height = min(_TALLEST, int(room / sum(aspects)))
    frames, left = [], _MARGIN
    for aspect in aspects:
        width = int(aspect * height)
        frames.append((left, width))
        left += width + _GAP
    return frames, height


def _draw_plane(
    page: _Page,
    plane: Plane,
    frame: tuple[int, int, int, int],
    window: tuple[float, float],
    colors: list[tuple[int, int, int]],
) -> None:
    """The plane in the middle of its frame (left, top, width, height), with title and sides."""
    left, top, frame_width, frame_height = frame
    scale = min(frame_width / plane.size[0], frame_height / plane.size[1])
    width, height = (max(1, round(side * scale)) for side in plane.size)
    x, y = left + (frame_width - width) // 2, top + (frame_height - height) // 2
    page.image(x, y, render(plane, width, height, window, colors))
    page.text(left, top - _PLANE_LINE / 2, plane.title, _PLANE_SIZE)
    middle_x, middle_y = left + frame_width / 2, top + frame_height / 2
    inset = 12
    page.letter(left + inset, middle_y, plane.sides[0])
    page.letter(left + frame_width - inset, middle_y, plane.sides[1])
    page.letter(middle_x, top + inset, plane.sides[2])
    page.letter(middle_x, top + frame_height - inset, plane.sides[3])


def _legend(volume: Volume, segments: list[Segment]) -> tuple[list[tuple], int]:
    """Entries (left, top, lines, colour) in as many columns as their text leaves room for, and the height."""
    texts = [f"{segment.name}  {_amount(volume, segment)}" for segment in segments] or ["no voxels"]
    colors = [segment.entry.color for segment in segments] or [None]
    wrapped = [textwrap.wrap(text, _LEGEND_LETTERS) for text in texts]
    column_width = _SWATCH + 8 + max(_text_width(line) for lines in wrapped for line in lines) + 2 * _GAP
    columns = max(1, int((_WIDTH - 2 * _MARGIN) / column_width))
    rows = -(-len(texts) // columns)
    heights = [max(len(lines) for lines in wrapped[row::rows]) * _LEGEND_LINE for row in range(rows)]
    tops = np.cumsum([0, *heights])
    entries = [
        (_MARGIN + index // rows * column_width, int(tops[index % rows]), lines, color)
        for index, (lines, color) in enumerate(zip(wrapped, colors, strict=True))
    ]
    return entries, int(tops[-1])


def _amount(volume: Volume, segment: Segment) -> str:
    if not segment.mask.voxels:
        return "no voxels"
    amount = millilitres(volume, segment.mask)
    return f"{amount:.{0 if amount >= 100 else 1 if amount >= 10 else 2}f}\N{NO-BREAK SPACE}ml"


def _text_width(text: str) -> float:
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties

    renderer = RendererAgg(1, 1, _DPI)
    return renderer.get_text_width_height_descent(text, FontProperties(size=_LEGEND_SIZE), False)[0]
