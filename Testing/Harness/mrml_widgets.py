"""qMRML and qSlicer widgets on the real scene, as far as our panels use them."""

from __future__ import annotations

from typing import ClassVar

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from .conventions import native
from .native import stored


@native
class qMRMLWidget(QtWidgets.QWidget):
    """A widget that knows the scene."""

    mrmlSceneChanged = QtCore.Signal(object)
    cpp_signals: ClassVar = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self):
        """The scene, or None."""
        return self._scene

    def setMRMLScene(self, scene) -> None:
        """Slot: sets the scene, and tells what is connected."""
        if scene is self._scene:
            return
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)


@native
class qSlicerWidget(qMRMLWidget):
    """A widget of a module."""


class Observer:
    """Keeps observers of VTK objects, and takes them away from what is gone."""

    def __init__(self):
        self._tags: list[tuple[vtk.vtkObject, int]] = []

    def add(self, caller: vtk.vtkObject, event, function) -> None:
        """Calls the function, without arguments, on an event of the object."""
        self._tags.append((caller, caller.AddObserver(event, lambda *_: function())))

    def clear(self) -> None:
        """Takes all of them away."""
        for caller, tag in self._tags:
            caller.RemoveObserver(tag)
        self._tags.clear()


@native
class qMRMLSegmentsTableView(qMRMLWidget):
    """The segments of a segmentation with their colours, selectable."""

    selectionChanged = QtCore.Signal(object, object)
    segmentAboutToBeModified = QtCore.Signal(str)
    cpp_signals: ClassVar = {"selectionChanged(QItemSelection,QItemSelection)": "selectionChanged"}

    selectionMode = stored(
        int,
        int(QtWidgets.QAbstractItemView.ExtendedSelection),
        lambda self, mode: self._table.setSelectionMode(QtWidgets.QAbstractItemView.SelectionMode(mode)),
    )
    headerVisible = stored(bool, True, lambda self, shown: self._table.horizontalHeader().setVisible(shown))
    visibilityColumnVisible = stored(bool, True)
    colorColumnVisible = stored(bool, True, lambda self, shown: self._table.setColumnHidden(0, not shown))
    opacityColumnVisible = stored(bool, True)
    statusColumnVisible = stored(bool, False)
    layerColumnVisible = stored(bool, False)
    readOnly = stored(bool, False)
    filterBarVisible = stored(bool, False)
    jumpToSelectedSegmentEnabled = stored(bool, False)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._node = None
        self._observer = Observer()
        self._table = QtWidgets.QTableWidget(0, 2)
        self._table.setHorizontalHeaderLabels(["", "Name"])
        self._table.horizontalHeader().setStretchLastSection(True)
        self._table.verticalHeader().hide()
        self._table.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectRows)
        self._table.setEditTriggers(QtWidgets.QAbstractItemView.NoEditTriggers)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._table)
        selection = self._table.selectionModel()
        selection.connect(
            "selectionChanged(QItemSelection,QItemSelection)", lambda new, old: self.selectionChanged.emit(new, old)
        )
        self.destroyed.connect(self._observer.clear)

    segmentCount = QtCore.Property(int, lambda self: self._table.rowCount)

    def segmentationNode(self):
        """The segmentation node, or None."""
        return self._node

    def setSegmentationNode(self, node) -> None:
        """Slot: shows a segmentation node, or none."""
        self._observer.clear()
        self._node = node
        if node is not None:
            segmentation = slicer.vtkSegmentation
            for event in (
                segmentation.SegmentAdded,
                segmentation.SegmentRemoved,
                segmentation.SegmentModified,
                segmentation.SegmentsOrderModified,
            ):
                self._observer.add(node, event, self._fill)
        self._fill()

    def tableWidget(self):
        """The table itself."""
        return self._table

    def displayedSegmentIDs(self) -> tuple[str, ...]:
        """The ids of the segments shown, from the top."""
        return tuple(self.segmentIDForRow(row) for row in range(self._table.rowCount))

    def selectedSegmentIDs(self) -> tuple[str, ...]:
        """The ids of the segments chosen, from the top."""
        rows = sorted({index.row() for index in self._table.selectionModel().selectedRows()})
        return tuple(self.segmentIDForRow(row) for row in rows)

    def setSelectedSegmentIDs(self, ids) -> None:
        """Chooses segments."""
        self._table.clearSelection()
        selection = self._table.selectionModel()
        flags = QtCore.QItemSelectionModel.Select | QtCore.QItemSelectionModel.Rows
        for identity in ids:
            row = self.rowForSegmentID(identity)
            if row >= 0:
                selection.select(self._table.model().index(row, 0), flags)

    def clearSelection(self) -> None:
        """Chooses none."""
        self._table.clearSelection()

    def rowForSegmentID(self, identity: str) -> int:
        """The row of a segment, -1 where it is not shown."""
        shown = self.displayedSegmentIDs()
        return shown.index(identity) if identity in shown else -1

    def segmentIDForRow(self, row: int) -> str:
        """The segment's id in a row."""
        return self._table.item(row, 1).data(QtCore.Qt.UserRole)

    def _fill(self) -> None:
        chosen = self.selectedSegmentIDs() if self._table.rowCount else ()
        segmentation = self._node.GetSegmentation() if self._node is not None else None
        count = segmentation.GetNumberOfSegments() if segmentation else 0
        self._table.setRowCount(count)
        for row in range(count):
            identity = segmentation.GetNthSegmentID(row)
            segment = segmentation.GetSegment(identity)
            swatch = QtWidgets.QTableWidgetItem()
            swatch.setBackground(QtGui.QColor.fromRgbF(*segment.GetColor()))
            name = QtWidgets.QTableWidgetItem(segment.GetName())
            name.setData(QtCore.Qt.UserRole, identity)
            self._table.setItem(row, 0, swatch)
            self._table.setItem(row, 1, name)
        if chosen:
            self.setSelectedSegmentIDs(chosen)
