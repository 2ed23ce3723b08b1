import csv
import json

import numpy as np
import pytest

from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging import Mask, Volume
from SATSegmentLib.output import COLUMNS, measure, write_table
from SATSegmentLib.output.measurements import surface_area


@pytest.fixture
def volume() -> Volume:
    """6 x 5 x 4 voxels of 2 x 3 x 4 mm; I runs to the left, intensities are i + 10 j + 100 k."""
    i, j, k = np.meshgrid(np.arange(6), np.arange(5), np.arange(4), indexing="ij")
    affine = np.array([[-2.0, 0, 0, 50], [0, 3, 0, -10], [0, 0, 4, 7], [0, 0, 0, 1]])
    return Volume((i + 10 * j + 100 * k).astype(np.int16), affine, "ct")


def test_numbers_worked_out_by_hand(volume, make_segment):
    array = np.zeros(volume.shape)
    array[1:3, 2, 1] = 1
    array[4, 3, 2] = 1
    row = measure(volume, make_segment("a", array, modifier=("SCT", "7771000", "Left")), confidence=0.75)
    values = [121, 122, 234]
    assert row == {
        "name": "a",
        "voxels": 3,
        "volume_ml": pytest.approx(3 * 24 / 1000),
        "mean": pytest.approx(159),
        "std": pytest.approx(np.std(values)),
        "i0": 1,
        "i1": 4,
        "j0": 2,
        "j1": 3,
        "k0": 1,
        "k1": 2,
        "r_min": 42,
        "r_max": 48,
        "a_min": -4,
        "a_max": -1,
        "s_min": 11,
        "s_max": 15,
        "touches_border": False,
        "confidence": 0.75,
        "type": "SCT 39607008 Lung",
        "modifier": "SCT 7771000 Left",
        "median": 122,
        "p5": pytest.approx(121.1),
        "p95": pytest.approx(222.8),
        "min": 121,
        "max": 234,
        "surface_mm2": pytest.approx(surface_area(Mask.of(array), (2, 3, 4))),
        "components": 2,
        "largest_share": pytest.approx(2 / 3),
        "cleaned": None,
    }
    assert tuple(row) == COLUMNS


def test_an_empty_segment(volume, make_segment):
    row = measure(volume, make_segment("a", np.zeros(volume.shape)))
    filled = {key: value for key, value in row.items() if value is not None}
    assert filled == {
        "name": "a",
        "voxels": 0,
        "volume_ml": 0,
        "touches_border": False,
        "type": "SCT 39607008 Lung",
        "surface_mm2": 0,
        "components": 0,
    }
    assert tuple(row) == COLUMNS


@pytest.mark.parametrize("voxel", [(0, 2, 2), (5, 2, 2), (2, 0, 2), (2, 4, 2), (2, 2, 0), (2, 2, 3)])
def test_the_border_is_seen_on_every_side(volume, make_segment, voxel):
    array = np.zeros(volume.shape)
    array[voxel] = 1
    assert measure(volume, make_segment("a", array))["touches_border"]


def test_extents_of_an_oblique_grid_are_those_of_all_voxels(oblique, make_segment):
    array = np.random.default_rng(2).random(oblique.shape) > 0.9
    row = measure(oblique, make_segment("a", array))
    centres = np.argwhere(array) @ oblique.affine[:3, :3].T + oblique.affine[:3, 3]
    np.testing.assert_allclose([row[f"{axis}_min"] for axis in "ras"], centres.min(0))
    np.testing.assert_allclose([row[f"{axis}_max"] for axis in "ras"], centres.max(0))
    assert row["volume_ml"] == pytest.approx(array.sum() * 6 / 1000)


def test_real_segments(chest, chest_segments):
    rows = {segment.name: measure(chest, segment) for segment in chest_segments}
    assert rows["right lung"]["voxels"] == 34450
    assert 2000 < rows["right lung"]["volume_ml"] < 5000
    assert -950 < rows["right lung"]["mean"] < -600
    assert rows["right lung"]["r_max"] > rows["left lung"]["r_max"]
    assert rows["ribs"]["mean"] > 100
    assert rows["ribs"]["components"] > 5 > rows["right lung"]["components"]
    assert rows["right lung"]["largest_share"] > 0.99
    assert rows["right lung"]["p5"] < rows["right lung"]["median"] < rows["right lung"]["mean"]
    # a sphere of that volume has 1000 cm2; an adult lung's outside is not twice that
    assert 50_000 < rows["right lung"]["surface_mm2"] < 200_000


def test_cleaning_is_said_in_the_row(volume, make_segment):
    row = measure(volume, make_segment("a", np.ones(volume.shape)), cleaned="holes filled (+2 voxels)")
    assert row["cleaned"] == "holes filled (+2 voxels)"


def test_csv(tmp_path, volume, make_segment):
    rows = [
        measure(volume, make_segment('größe, "1"', np.ones(volume.shape))),
        measure(volume, make_segment("b", np.zeros(volume.shape))),
    ]
    path = tmp_path / "table.csv"
    write_table(path, rows)
    with path.open(encoding="utf-8", newline="") as file:
        back = list(csv.DictReader(file))
    assert tuple(back[0]) == COLUMNS
    assert back[0]["name"] == 'größe, "1"'
    assert float(back[0]["mean"]) == rows[0]["mean"]
    assert back[0]["touches_border"] == "True"
    assert back[1]["mean"] == back[1]["i0"] == back[1]["confidence"] == ""


def test_columns_of_its_own(tmp_path, volume, make_segment):
    row = {"x": 1.5, **measure(volume, make_segment("a", np.ones(volume.shape))), "id": "case 1"}
    write_table(tmp_path / "table.csv", [{"id": "case 0", "name": "b"}, row], first=("id",))
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        back = list(csv.DictReader(file))
    assert tuple(back[0]) == ("id", *COLUMNS, "x")
    assert [(one["id"], one["name"], one["x"]) for one in back] == [("case 0", "b", ""), ("case 1", "a", "1.5")]


def test_csv_without_rows_has_its_columns(tmp_path):
    write_table(tmp_path / "table.csv", [])
    assert (tmp_path / "table.csv").read_text().split() == [",".join(COLUMNS)]


def test_json(tmp_path, chest, chest_segments):
    rows = [measure(chest, segment) for segment in chest_segments]
    write_table(tmp_path / "table.JSON", rows)
    assert json.loads((tmp_path / "table.JSON").read_text(encoding="utf-8")) == rows


def test_other_names_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"\.csv or \.json"):
        write_table(tmp_path / "table.xlsx", [])


def test_a_failure_keeps_the_old_table(tmp_path):
    path = tmp_path / "table.json"
    path.write_text("old")
    with pytest.raises(TypeError):
        write_table(path, [{"name": object()}])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
