"""Plot views: the scene's charts in the layouts that have one."""

from __future__ import annotations

import slicer
import vtk

FOUR_UP = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
FOUR_UP_WITH_PLOT = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView


def add_chart():
    scene = slicer.mrmlScene
    table = scene.AddNewNodeByClass("vtkMRMLTableNode")
    for name, values in (("x", (1, 2, 3)), ("y", (5, 9, 6))):
        column = vtk.vtkDoubleArray()
        column.SetName(name)
        for value in values:
            column.InsertNextValue(value)
        table.AddColumn(column)
    series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "series")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName("x")
    series.SetYColumnName("y")
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", "chart")
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return chart


def test_a_chart_is_shown_in_the_layout_like_the_present_one(harness):
    manager = slicer.app.layoutManager()
    assert (manager.layout, manager.plotViewCount, manager.plotWidget(0)) == (FOUR_UP, 0, None)
    seen = []
    manager.connect("layoutChanged(int)", seen.append)
    chart = add_chart()
    slicer.modules.plots.logic().ShowChartInLayout(chart)
    assert (manager.layout, manager.plotViewCount, seen) == (FOUR_UP_WITH_PLOT, 1, [FOUR_UP_WITH_PLOT])
    assert manager.plotWidget(0).mrmlPlotViewNode().GetPlotChartNode() is chart
    assert not harness.screenshot(widget=manager.plotWidget(0)).isNull()
    manager.setLayout(FOUR_UP)
    assert manager.plotViewCount == 0
    manager.disconnect("layoutChanged(int)", seen.append)


def test_the_layout_outlives_a_closed_scene(harness):
    manager = slicer.app.layoutManager()
    slicer.modules.plots.logic().ShowChartInLayout(add_chart())
    harness.close_scene()
    assert manager.layout == FOUR_UP_WITH_PLOT
    chart = add_chart()
    slicer.modules.plots.logic().ShowChartInLayout(chart)
    assert manager.plotWidget(0).mrmlPlotViewNode().GetPlotChartNode() is chart
    manager.setLayout(FOUR_UP)
