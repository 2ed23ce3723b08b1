"""Where a mask and its reference disagree most: three slices with both outlines."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from SATSegmentLib.imaging import Mask, Volume
from SATSegmentLib.output import written
from SATSegmentLib.output.planes import Plane, choose_window

REFERENCE_COLOR, PREDICTION_COLOR = "#00d0ff", "#ff9100"  # told apart by colour-blind readers, and on grey
# Name, RAS axis across, and what lies left, right, above and below in radiological convention
_VIEWS = (("axial", 2, "RLAP"), ("coronal", 1, "RLSI"), ("sagittal", 0, "APSI"))
_MARGIN = 20.0  # mm of image around the two masks
_WIDTH, _DPI = 9.0, 100  # inches, pixels an inch
_TALLEST = 3.6  # inches


@dataclass(frozen=True, eq=False)
class Slice:
    """One plane as it is shown: rows from top to bottom, columns from left to right.

    Attributes:
        title: Which plane, and which slice of the volume, e.g. "axial, k = 17".
        sides: The letters of left, right, top and bottom.
        spacing: Width and height of a pixel in millimetres.
        grey: Intensities.
        reference, prediction: Boolean, of the same shape.
    """

    title: str
    sides: str
    spacing: tuple[float, float]
    grey: np.ndarray
    reference: np.ndarray
    prediction: np.ndarray


@dataclass(frozen=True, eq=False)
class Overlay:
    """Three slices, and the intensities shown black and white."""

    slices: list[Slice]
    window: tuple[float, float]

    @classmethod
    def of(cls, volume: Volume, prediction: Mask, reference: Mask) -> Overlay:
        """The axial, coronal and sagittal slices on which most voxels are in one mask only, around both masks.

        Args:
            volume: What was segmented; oblique volumes are shown along their own axes.
            prediction, reference: On its grid, not both empty.
        """
        from nibabel.orientations import apply_orientation, io_orientation

        orientation = io_orientation(volume.affine)
        start, stop = _box(volume, prediction, reference)
        inside = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        grey, found, wanted = (
            apply_orientation(array[inside], orientation) for array in (volume.array, prediction.array, reference.array)
        )
        source_axes = np.argsort(orientation[:, 0])
        spacing = [volume.spacing[source] for source in source_axes]
        wrong = found ^ wanted
        slices = []
        for name, axis, sides in _VIEWS:
            across, up = (other for other in range(3) if other != axis)
            index = int(wrong.sum((across, up)).argmax())
            source = source_axes[axis]
            voxel = start[source] + index if orientation[source, 1] > 0 else stop[source] - 1 - index
            planes = (_as_shown(array.take(index, axis)) for array in (grey, wanted, found))
            slices.append(Slice(f"{name}, {'ijk'[source]} = {voxel}", sides, (spacing[across], spacing[up]), *planes))
        return cls(slices, _window(volume.modality, slices))

    @classmethod
    def read(cls, path: Path) -> Overlay:
        """What `write` wrote."""
        with np.load(path, allow_pickle=False) as values:
            slices = [
                Slice(
                    str(values[f"title{n}"]),
                    str(values[f"sides{n}"]),
                    tuple(values[f"spacing{n}"]),
                    values[f"grey{n}"],
                    values[f"reference{n}"],
                    values[f"prediction{n}"],
                )
                for n in range(len(_VIEWS))
            ]
            return cls(slices, tuple(values["window"]))

    def write(self, path: Path) -> None:
        """Writes an .npz file.

        Raises:
            SATError: It cannot be written.
        """
        values = {f"{name}{n}": value for n, shown in enumerate(self.slices) for name, value in vars(shown).items()}
        with written(path) as temporary:
            np.savez_compressed(temporary, window=self.window, **values)

    def png(self) -> bytes:
        """The slices side by side, at one scale, the reference's outline solid and the prediction's dashed."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        widths, heights = np.array([_size(shown) for shown in self.slices]).T
        height = min(_TALLEST, _WIDTH * heights.max() / widths.sum())
        figure = Figure(figsize=(_WIDTH, height + 0.3), dpi=_DPI, facecolor="black", layout="constrained")
        canvas = FigureCanvasAgg(figure)
        for axes, shown in zip(figure.subplots(1, 3, width_ratios=widths), self.slices, strict=True):
            _draw(axes, shown, self.window)
        stream = BytesIO()
        canvas.print_png(stream)
        return stream.getvalue()


def _box(volume: Volume, *masks: Mask) -> tuple[list[int], list[int]]:
    """First voxel and one past the last of what is shown."""
    filled = [mask for mask in masks if mask.voxels]
    margin = np.ceil(_MARGIN / np.array(volume.spacing)).astype(int)
    start = np.min([mask.start for mask in filled], 0) - margin
    stop = np.max([np.add(mask.start, mask.block.shape) for mask in filled], 0) + margin
    return np.maximum(start, 0).tolist(), np.minimum(stop, volume.shape).tolist()


def _as_shown(plane: np.ndarray) -> np.ndarray:
    """Both RAS axes run left and up on the screen: right and anterior lie left, superior and anterior above."""
    return np.ascontiguousarray(plane.T[::-1, ::-1])


def _size(shown: Slice) -> tuple[float, float]:
    """Width and height in millimetres."""
    rows, columns = shown.grey.shape
    return columns * shown.spacing[0], rows * shown.spacing[1]


def _window(modality: str, slices: list[Slice]) -> tuple[float, float]:
    planes = []
    for shown in slices:
        mask = shown.reference if shown.reference.any() else shown.prediction
        masks = [(0, mask)] if mask.any() else []
        planes.append(Plane(shown.title, shown.sides, _size(shown), shown.grey, masks))
    return choose_window(modality, planes)


def _draw(axes, shown: Slice, window: tuple[float, float]) -> None:
    from matplotlib.patheffects import withStroke

    width, height = _size(shown)
    axes.imshow(shown.grey, "gray", vmin=window[0], vmax=window[1], extent=(0, width, height, 0))
    rows, columns = shown.grey.shape
    # A frame of false voxels closes the outlines of what reaches the border
    across = (np.arange(columns + 2) - 0.5) * shown.spacing[0]
    down = (np.arange(rows + 2) - 0.5) * shown.spacing[1]
    outlines = ((shown.reference, REFERENCE_COLOR, "solid"), (shown.prediction, PREDICTION_COLOR, "dashed"))
    for mask, color, style in outlines:
        if mask.any():
            axes.contour(across, down, np.pad(mask, 1).astype(float), [0.5], colors=color, linestyles=style)
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    axes.set_title(shown.title, color="white", fontsize=8)
    outline = [withStroke(linewidth=2, foreground="black")]
    for letter, x, y in zip(shown.sides, (0.03, 0.97, 0.5, 0.5), (0.5, 0.5, 0.96, 0.04), strict=True):
        style = {"ha": "center", "va": "center", "color": "white", "size": 8, "path_effects": outline}
        axes.text(x, y, letter, transform=axes.transAxes, **style)
