"""Curves of a run in Slicer's plot view."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence

import slicer
import vtk

_STEP = "step"
_GOLDEN = 0.618034  # spreads any number of hues


class Chart:
    """Curves over the steps of a run: one table, a series a curve, one chart, changed in place.

    Its nodes are not saved with the scene. They leave with the scene when that is closed, and come back when there is
    something to show again.

    Args:
        title: Of the chart.
        y_title, x_title: Of its axes.
        points: Whether each value is marked.
    """

    def __init__(self, title: str, y_title: str, x_title: str, points: bool = False) -> None:
        self._title, self._y_title, self._x_title, self._points = title, y_title, x_title, points
        self.node = None
        """The vtkMRMLPlotChartNode, or None as long as nothing was shown."""
        self._tables: dict[str, object] = {}
        self._series: dict[str, object] = {}
        self._lengths: dict[str, int] = {}

    def show(self, curves: Mapping[str, Sequence[tuple[float, float]]], scene=None) -> bool:
        """Shows curves in place of those before; of a curve that only grew, what is new is added.

        Args:
            curves: Name to its points (step, value), steps rising.
            scene: The application's unless given.

        Returns:
            Whether anything changed.
        """
        scene = scene or slicer.mrmlScene
        if self.node is not None and self.node.GetScene() is not scene:
            self._forget()
        if self.node is None:
            self.node = self._add(scene, "vtkMRMLPlotChartNode", self._title)
            self.node.SetTitle(self._title)
            self.node.SetXAxisTitle(self._x_title)
            self.node.SetYAxisTitle(self._y_title)
        gone = [name for name in self._series if name not in curves]
        for name in gone:
            self._remove(name)
        changed = bool(gone)
        for name, points in curves.items():
            if name not in self._series:
                self._add_series(scene, name)
            changed = self._fill(name, points if len(points) != 1 else [*points] * 2) or changed  # VTK warns of a dot
        return changed

    def remove(self) -> None:
        """Takes its nodes out of the scene; `show` would make others."""
        scene = self.node.GetScene() if self.node is not None else None
        if scene is not None:
            for name in list(self._series):
                self._remove(name)
            scene.RemoveNode(self.node)
        self._forget()

    def _forget(self) -> None:
        self.node = None
        self._tables.clear()
        self._series.clear()
        self._lengths.clear()

    def _add(self, scene, kind: str, name: str):
        node = scene.CreateNodeByClass(kind)
        node.UnRegister(None)
        node.SetName(name)
        node.SetSaveWithScene(False)
        return scene.AddNode(node)

    def _add_series(self, scene, name: str) -> None:
        table = self._add(scene, "vtkMRMLTableNode", f"{self._title}: {name}")
        table.SetHideFromEditors(True)
        for column in (_STEP, name):
            values = vtk.vtkDoubleArray()
            values.SetName(column)
            table.AddColumn(values)
        series = self._add(scene, "vtkMRMLPlotSeriesNode", name)
        series.SetHideFromEditors(True)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        series.SetXColumnName(_STEP)
        series.SetYColumnName(name)
        marker = "MarkerStyleCircle" if self._points else "MarkerStyleNone"
        series.SetMarkerStyle(getattr(slicer.vtkMRMLPlotSeriesNode, marker))
        series.SetColor(*colorsys.hsv_to_rgb((0.6 + _GOLDEN * len(self._series)) % 1, 0.75, 0.8))
        self._tables[name], self._series[name], self._lengths[name] = table, series, 0
        self.node.AddAndObservePlotSeriesNodeID(series.GetID())

    def _fill(self, name: str, points: Sequence[tuple[float, float]]) -> bool:
        table = self._tables[name].GetTable()
        columns = table.GetColumn(0), table.GetColumn(1)
        held = self._lengths[name]
        if held > len(points) or (held and tuple(points[held - 1]) != tuple(c.GetValue(held - 1) for c in columns)):
            held = 0  # another run, or this one resumed from an earlier step
        elif held == len(points):
            return False
        for column, index in zip(columns, range(2), strict=True):
            column.SetNumberOfValues(len(points))
            for row in range(held, len(points)):
                column.SetValue(row, points[row][index])
            column.Modified()
        self._lengths[name] = len(points)
        table.Modified()
        return True

    def _remove(self, name: str) -> None:
        series, table = self._series.pop(name), self._tables.pop(name)
        del self._lengths[name]
        self.node.RemovePlotSeriesNodeID(series.GetID())
        for node in (series, table):
            if node.GetScene() is not None:
                node.GetScene().RemoveNode(node)


class PlotView:
    """Slicer's plot view: shown when it is wanted, and the layout as it was when it is not."""

    def __init__(self) -> None:
        self._before: int | None = None
        self._during: int | None = None

    def show(self, chart: Chart) -> None:
        """Shows a chart, in the layout like the present one that has a plot view."""
        manager = slicer.app.layoutManager()
        before = manager.layout
        slicer.modules.plots.logic().ShowChartInLayout(chart.node)
        if manager.layout != before:
            self._before, self._during = before, manager.layout

    def fit(self, chart: Chart) -> None:
        """Makes the axes reach as far as the curves of a chart do now, which a plot view does not do by itself."""
        manager = slicer.app.layoutManager()
        for index in range(manager.plotViewCount):
            widget = manager.plotWidget(index)
            if widget.mrmlPlotViewNode().GetPlotChartNode() is chart.node:
                widget.plotView().fitToContent()

    def hide(self) -> None:
        """Back to the layout before, unless the user has chosen another one since."""
        manager = slicer.app.layoutManager()
        if self._before is not None and manager.layout == self._during:
            manager.setLayout(self._before)
        self._before = self._during = None
