import colorsys
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from SATSegmentLib.imaging import Volume
from SATSegmentLib.output import write_overview


def read(path) -> np.ndarray:
    return np.round(imread(path, format="png")[..., :3] * 255).astype(np.uint8)


def pixels(image: np.ndarray, color) -> int:
    return int((image == np.array(color, np.uint8)).all(-1).sum())


def test_real_segments(tmp_path, chest, chest_segments, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it would fail: it keeps global state
    path = tmp_path / "overview.png"
    write_overview(path, chest, chest_segments, "CTChest4")
    image = read(path)
    assert image.shape[1] == 1800 and 600 < image.shape[0] < 900
    for segment in chest_segments:
        assert pixels(image, segment.entry.color) > 144  # its legend's square, and outlines
    assert list(tmp_path.iterdir()) == [path]


def test_the_right_lung_lies_left(tmp_path, chest, chest_segments):
    lungs = [segment for segment in chest_segments if segment.name.endswith("lung")]
    write_overview(tmp_path / "overview.png", chest, lungs, "")
    axial = read(tmp_path / "overview.png")[50:590, 24:600]
    columns = {
        segment.name: np.nonzero((axial == np.array(segment.entry.color, np.uint8)).all(-1))[1].mean()
        for segment in lungs
    }
    assert columns["right lung"] < columns["left lung"] - 100


def many(make_segment, shape, count):
    segments = []
    for number in range(count):
        array = np.zeros(shape)
        array[number % 20 : number % 20 + 5, number % 7 : number % 7 + 4, 2:6] = 1
        color = [round(255 * channel) for channel in colorsys.hsv_to_rgb(number / count, 0.8, 1)]
        name = f"structure {number} " + "with a rather long name " * (number % 5)
        segments.append(make_segment(name, array, color=color))
    return segments


@pytest.mark.parametrize("count", [1, 120])
def test_legend_texts_neither_overlap_nor_leave_the_page(tmp_path, make_segment, monkeypatch, count):
    figures = []

    class Recorded(Figure):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            figures.append(self)

    monkeypatch.setattr("matplotlib.figure.Figure", Recorded)
    volume = Volume(np.zeros((30, 20, 10)), np.diag([1.0, 1.0, 5.0, 1.0]), "ct")
    write_overview(tmp_path / "overview.png", volume, many(make_segment, volume.shape, count), "$title$ " * 40)
    (figure,) = figures
    boxes = [text.get_window_extent() for text in figure.texts]
    for index, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])


@pytest.mark.parametrize("empty", [True, False])
def test_nothing_found(tmp_path, chest, make_segment, empty):
    segments = [make_segment("lung", np.zeros(chest.shape))] if empty else []
    write_overview(tmp_path / "overview.png", chest, segments, "nothing")
    assert read(tmp_path / "overview.png").shape[1] == 1800


@pytest.mark.parametrize("shape", [(400, 4, 4), (4, 400, 4), (4, 4, 400), (40, 40, 2)])
def test_long_and_flat_volumes(tmp_path, make_segment, shape):
    volume = Volume(np.zeros(shape), np.eye(4), "mri")
    write_overview(tmp_path / "overview.png", volume, [make_segment("a", np.ones(shape))], "long")
    image = read(tmp_path / "overview.png")
    assert image.shape[1] == 1800 and image.shape[0] < 1000


def test_an_oblique_volume(tmp_path, oblique, make_segment):
    write_overview(tmp_path / "o.png", oblique, [make_segment("a", np.ones(oblique.shape), color=(250, 3, 77))], "")
    assert pixels(read(tmp_path / "o.png"), (250, 3, 77)) > 1000
