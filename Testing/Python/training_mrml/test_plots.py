"""Curves as Slicer's plot nodes."""

from __future__ import annotations

import pytest
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from SATTrainingLib.mrml.plots import Chart


@pytest.fixture
def chart():
    return Chart("Loss", "loss", "step")


def curves(chart):
    """What a plot view would draw: name to points."""
    found = {}
    for number in range(chart.node.GetNumberOfPlotSeriesNodes()):
        series = chart.node.GetNthPlotSeriesNode(number)
        table = series.GetTableNode().GetTable()
        columns = [
            vtk_to_numpy(table.GetColumnByName(name)).tolist()
            for name in (series.GetXColumnName(), series.GetYColumnName())
        ]
        found[series.GetName()] = list(zip(*columns, strict=True))
    return found


def test_curves_grow_in_the_nodes_they_are_in(scene, chart):
    chart.show({"all": [(10, 2.0)]}, scene)
    nodes = scene.GetNumberOfNodes()
    series = chart.node.GetNthPlotSeriesNode(0)
    modified = series.GetTableNode().GetTable().GetMTime()
    chart.show({"all": [(10, 2.0), (20, 1.5)]}, scene)
    assert curves(chart) == {"all": [(10, 2.0), (20, 1.5)]}
    assert scene.GetNumberOfNodes() == nodes
    assert chart.node.GetNthPlotSeriesNode(0) is series
    assert series.GetTableNode().GetTable().GetMTime() > modified


def test_a_single_value_is_drawn_as_a_line_without_length(scene, chart):
    chart.show({"all": [(10, 2.0)]}, scene)
    assert curves(chart) == {"all": [(10, 2.0), (10, 2.0)]}
    chart.show({"all": [(10, 2.0), (20, 1.5)]}, scene)
    assert curves(chart) == {"all": [(10, 2.0), (20, 1.5)]}


def test_nothing_is_redrawn_where_nothing_is_new(scene, chart):
    chart.show({"all": [(10, 2.0)]}, scene)
    modified = chart.node.GetNthPlotSeriesNode(0).GetTableNode().GetTable().GetMTime()
    chart.show({"all": [(10, 2.0)]}, scene)
    assert chart.node.GetNthPlotSeriesNode(0).GetTableNode().GetTable().GetMTime() == modified


def test_a_resumed_run_and_another_run_take_the_place_of_what_was_shown(scene, chart):
    chart.show({"all": [(10, 2.0), (20, 1.5), (30, 1.2)], "a": [(10, 1.0)]}, scene)
    chart.show({"all": [(10, 2.0), (20, 1.6)]}, scene)
    assert curves(chart) == {"all": [(10, 2.0), (20, 1.6)]}
    chart.show({"all": [(10, 7.0), (20, 6.0)], "b": []}, scene)
    assert curves(chart) == {"all": [(10, 7.0), (20, 6.0)], "b": []}


def test_it_is_not_saved_and_leaves_nothing(scene, chart, tmp_path):
    before = scene.GetNumberOfNodes()
    chart.show({"all": [(10, 2.0)], "a": []}, scene)
    scene.SetURL(str(tmp_path / "scene.mrml"))
    scene.Commit()
    text = (tmp_path / "scene.mrml").read_text()
    assert "Plot" not in text and "Table" not in text
    chart.remove()
    assert scene.GetNumberOfNodes() == before


def test_it_comes_back_after_the_scene_was_closed(scene, chart):
    chart.show({"all": [(10, 2.0)]}, scene)
    scene.Clear(0)
    chart.show({"all": [(10, 2.0), (20, 1.0)]}, scene)
    assert curves(chart) == {"all": [(10, 2.0), (20, 1.0)]}
    assert isinstance(chart.node, slicer.vtkMRMLPlotChartNode)
