"""The layout manager: slice nodes and slice logics of slicer-core, and no drawing."""

from __future__ import annotations

import slicer
from PySide6 import QtCore, QtWidgets

from . import plots
from .conventions import native

VIEWS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}


@native
class qMRMLSliceWidget(QtWidgets.QWidget):
    """One slice view."""

    def __init__(self, logic):
        super().__init__()
        self._logic = logic

    def sliceLogic(self):
        """The view's logic."""
        return self._logic

    def mrmlSliceNode(self):
        """The view's node."""
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self):
        """Which volumes the view shows."""
        return self._logic.GetSliceCompositeNode()


@native
class LayoutManager(QtCore.QObject):
    """The views."""

    layoutChanged = QtCore.Signal(int)

    def __init__(self, scene, application_logic):
        super().__init__()
        self._widgets = {}
        self._layout = 3
        self._slice_logics = application_logic.GetSliceLogics()
        for name in VIEWS:
            logic = slicer.vtkMRMLSliceLogic()
            logic.SetMRMLApplicationLogic(application_logic)
            logic.SetMRMLScene(scene)
            node = logic.AddSliceNode(name)
            node.SetDimensions(256, 256, 1)
            application_logic.GetSliceLogics().AddItem(logic)
            self._widgets[name] = qMRMLSliceWidget(logic)
        self._orient()
        self._plots = plots.PlotViews(scene, self._arranged)
        self._plots.node.SetViewArrangement(self._layout)

    threeDViewCount = property(lambda self: 0)
    tableViewCount = property(lambda self: 0)
    plotViewCount = property(lambda self: int(self._layout in plots.LAYOUTS))
    layout = property(lambda self: self._layout, lambda self, number: self.setLayout(number))

    def mrmlSliceLogics(self):
        """The logics of the slice views, a vtkCollection."""
        return self._slice_logics

    def sliceViewNames(self) -> tuple[str, ...]:
        """The names of the slice views."""
        return tuple(self._widgets)

    def sliceWidget(self, name: str):
        """The slice view of a name, or None."""
        return self._widgets.get(name)

    def setLayout(self, number: int) -> None:
        """Slot: sets the layout; the same three slice views stay, a plot view comes and goes."""
        self._plots.node.SetViewArrangement(number)

    def _arranged(self, number: int) -> None:
        if number == slicer.vtkMRMLLayoutNode.SlicerLayoutNone:  # the scene was closed
            self.setLayout(self._layout)
        elif number != self._layout:
            self._layout = number
            if number in plots.LAYOUTS:
                self._plots.widget()
            self.layoutChanged.emit(number)

    def plotWidget(self, index: int):
        """The plot view, or None where the layout has none."""
        return self._plots.widget() if index < self.plotViewCount else None

    def _orient(self) -> None:
        """As at the start: a scene that was read, or a test, may have turned a slice."""
        for name, orientation in VIEWS.items():
            self._widgets[name].mrmlSliceNode().SetOrientation(orientation)

    def resetSliceViews(self) -> None:
        """Slot: fits the slices to their background volume."""
        for widget in self._widgets.values():
            widget.sliceLogic().FitSliceToBackground()

    def resetThreeDViews(self) -> None:
        """Slot: there are no 3D views."""

    def threeDWidget(self, _index: int):
        """There are no 3D views."""
