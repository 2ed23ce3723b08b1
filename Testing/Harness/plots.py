"""Plot views: slicer-core's view nodes, charts and tables; the curves are drawn plainly."""

from __future__ import annotations

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from vtk.util.numpy_support import vtk_to_numpy

from .conventions import native

# The layouts of vtkMRMLLayoutNode that have a plot view
_NAMES = ("FourUpPlot", "FourUpPlotTable", "OneUpPlot", "ConventionalPlot", "ThreeOverThreePlot")
LAYOUTS = tuple(getattr(slicer.vtkMRMLLayoutNode, f"SlicerLayout{name}View") for name in _NAMES)
_MARGIN = 34


@native
class qMRMLPlotView(QtWidgets.QWidget):
    """Draws the chart of its view node: lines through the rows of the tables of its series.

    As in Slicer, the axes reach as far as the curves did when the chart came in, or when they were fitted last.
    """

    def __init__(self, node):
        super().__init__()
        self._node = node
        self._ranges: tuple = (None, (), ())  # chart, lowest and highest x and y

    def mrmlPlotViewNode(self):
        """The view's node."""
        return self._node

    def fitToContent(self) -> None:
        """Slot: lets the axes reach as far as the curves."""
        chart = self._node.GetPlotChartNode()
        curves = _curves(chart)
        if curves:
            self._ranges = (
                chart,
                *([pick(float(pick(curve[2 + axis])) for curve in curves) for axis in range(2)] for pick in (min, max)),
            )
        self.update()

    def paintEvent(self, _event) -> None:
        """Qt's."""
        painter = QtGui.QPainter(self)
        painter.fillRect(self.rect, QtCore.Qt.white)
        chart = self._node.GetPlotChartNode()
        curves = _curves(chart)
        if not curves:
            return
        if self._ranges[0] is not chart:
            self.fitToContent()
        _chart, low, high = self._ranges
        area = QtCore.QRectF(self.rect).adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN)
        painter.drawRect(area)
        painter.drawText(area.topLeft() - QtCore.QPointF(0, 8), f"{chart.GetTitle()}: {chart.GetYAxisTitle()}")
        for start, place in (
            (low[0], area.bottomLeft() + QtCore.QPointF(0, 16)),
            (high[0], area.bottomRight() + QtCore.QPointF(-24, 16)),
            (low[1], area.bottomLeft() - QtCore.QPointF(_MARGIN - 2, 0)),
            (high[1], area.topLeft() - QtCore.QPointF(_MARGIN - 2, -8)),
        ):
            painter.drawText(place, f"{start:.3g}")
        for row, (name, color, steps, values) in enumerate(curves):
            painter.setPen(QtGui.QPen(QtGui.QColor.fromRgbF(*color), 2))
            span = [(b - a) or 1.0 for a, b in zip(low, high, strict=True)]
            points = [
                QtCore.QPointF(
                    area.left() + (step - low[0]) / span[0] * area.width(),
                    area.bottom() - (value - low[1]) / span[1] * area.height(),
                )
                for step, value in zip(steps, values, strict=True)
            ]
            painter.drawPolyline(QtGui.QPolygonF(points))
            painter.drawText(QtCore.QPointF(area.right() - 110, area.top() + 14 * (row + 1)), name)


def _curves(chart) -> list[tuple]:
    """(name, color, x, y) of each series with points; none without a chart."""
    found = []
    for number in range(chart.GetNumberOfPlotSeriesNodes() if chart is not None else 0):
        series = chart.GetNthPlotSeriesNode(number)
        table = series.GetTableNode().GetTable() if series is not None and series.GetTableNode() else None
        columns = (series.GetXColumnName(), series.GetYColumnName()) if table else ()
        arrays = [table.GetColumnByName(name) for name in columns]
        if arrays and all(array is not None and array.GetNumberOfTuples() for array in arrays):
            found.append((series.GetName(), series.GetColor(), *(vtk_to_numpy(array) for array in arrays)))
    return found


@native
class qMRMLPlotWidget(QtWidgets.QWidget):
    """A plot view with its controller, which is not here."""

    def __init__(self, node):
        super().__init__()
        self.resize(480, 300)
        self._view = qMRMLPlotView(node)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._view)

    def plotView(self):
        """The view itself."""
        return self._view

    def mrmlPlotViewNode(self):
        """The view's node."""
        return self._view.mrmlPlotViewNode()

    def setMRMLPlotViewNode(self, _node) -> None:
        """Slot: the layout manager's widgets keep their node."""
        raise AssertionError("the plot widgets of the layout manager have their node")


class PlotViews:
    """The scene's layout node, and one plot view in the layouts that have one.

    Args:
        scene: The application's.
        arranged: Called with the number of a layout that was set in the node.
    """

    def __init__(self, scene, arranged):
        self._scene, self._arranged = scene, arranged
        self._widget = None
        self.node = slicer.vtkMRMLLayoutNode()
        self.node.SetSingletonTag("vtkMRMLLayoutNode")
        for number in range(100):  # what they look like is the layout manager's business
            self.node.AddLayoutDescription(number, "<layout/>")
        self.node = scene.AddNode(self.node)
        self.node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: arranged(self.node.GetViewArrangement()))

    def widget(self):
        """The plot view; its node is made anew where the scene was closed."""
        if self._widget is None or self._widget.mrmlPlotViewNode().GetScene() is not self._scene:
            node = slicer.vtkMRMLPlotViewNode()
            node.SetName("PlotView1")
            node.SetLayoutName("PlotView1")
            self._widget = qMRMLPlotWidget(self._scene.AddNode(node))
        return self._widget
