"""Builds the module `ctk` of Slicer: the widgets that our panels use, as small Qt widgets with ctk's look.

As in Slicer, only properties, slots and constructors are there: `button.collapsed = True`, but no `setCollapsed`.
"""

from __future__ import annotations

import types

from PySide6 import QtCore, QtGui, QtWidgets

from .conventions import native
from .ctk_collapsible import ctkCollapsibleButton, ctkCollapsibleGroupBox
from .ctk_layout import ctkFlowLayout
from .native import stored


@native
class ctkSearchBox(QtWidgets.QLineEdit):
    """A line edit with a magnifier and a button that clears it."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setPlaceholderText("Search...")
        self.setClearButtonEnabled(True)
        self._magnifier = self.addAction(_magnifier(self.palette), QtWidgets.QLineEdit.LeadingPosition)
        self._magnifier.setVisible(False)

    def _show(self, visible: bool) -> None:
        self._magnifier.setVisible(visible)

    showSearchIcon = stored(bool, False, _show)
    alwaysShowClearIcon = stored(bool, False)


def _magnifier(palette: QtGui.QPalette) -> QtGui.QIcon:
    pixmap = QtGui.QPixmap(32, 32)
    pixmap.fill(QtCore.Qt.transparent)
    painter = QtGui.QPainter(pixmap)
    painter.setRenderHint(QtGui.QPainter.Antialiasing)
    painter.setPen(QtGui.QPen(palette.color(QtGui.QPalette.PlaceholderText), 4))
    painter.drawEllipse(6, 6, 14, 14)
    painter.drawLine(18, 18, 27, 27)
    painter.end()
    return QtGui.QIcon(pixmap)


@native
class ctkColorPickerButton(QtWidgets.QPushButton):
    """A button with a swatch that opens the colour dialog."""

    colorChanged = QtCore.Signal(QtGui.QColor)
    colorNameChanged = QtCore.Signal(str)

    def __init__(self, text="", parent=None):
        if not isinstance(text, str):
            text, parent = "", text
        super().__init__(parent)
        self._color = QtGui.QColor(QtCore.Qt.black)
        self.setText(text)
        self._draw()
        self.connect("clicked()", self.changeColor)

    def _get(self) -> QtGui.QColor:
        return QtGui.QColor(self._color)

    def setColor(self, color) -> None:
        """Slot: sets the colour; an invalid one is left alone."""
        color = QtGui.QColor(color)
        if not color.isValid() or color == self._color:
            return
        self._color = color
        self._draw()
        self.colorChanged.emit(color)

    color = QtCore.Property(QtGui.QColor, _get, setColor)
    colorName = stored(str, "", lambda self, name: self.colorNameChanged.emit(name))
    displayColorName = stored(bool, True, lambda self, _: self._draw())
    dialogOptions = stored(int, 0)

    def setColorName(self, name: str) -> None:
        """Slot: sets the colour's name."""
        self.colorName = name

    def setDisplayColorName(self, shown: bool) -> None:
        """Slot: whether the colour's name is the button's text."""
        self.displayColorName = shown

    def changeColor(self) -> None:
        """Slot: asks the user for a colour."""
        self.setColor(QtWidgets.QColorDialog.getColor(self._color, self, ""))

    def _draw(self) -> None:
        pixmap = QtGui.QPixmap(16, 16)
        pixmap.fill(self._color)
        self.setIcon(QtGui.QIcon(pixmap))
        if self.displayColorName:
            self.setText(self._color.name())


@native
class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box that can offer not to be shown again."""

    dontShowAgain = stored(bool, False)
    dontShowAgainSettingsKey = stored(str, "")
    dontShowAgainVisible = stored(bool, False)


@native
class ctkCheckableComboBox(QtWidgets.QComboBox):
    """A combo box with a check box before each entry."""

    checkedIndexesChanged = QtCore.Signal()

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setModel(QtGui.QStandardItemModel(self))
        self.model().rowsInserted.connect(self._make_checkable)
        self.model().dataChanged.connect(lambda: self.checkedIndexesChanged.emit())

    def _make_checkable(self, _parent, first: int, last: int) -> None:
        for row in range(first, last + 1):
            item = self.model().item(row)
            item.setCheckable(True)
            item.setCheckState(QtCore.Qt.Unchecked)

    def checkableModel(self):
        """The model whose entries can be checked."""
        return self.model()

    def setCheckState(self, index, state) -> None:
        """Checks or unchecks the entry of a model index."""
        self.model().setData(index, QtCore.Qt.CheckState(state), QtCore.Qt.CheckStateRole)

    def checkState(self, index):
        """The state of the entry of a model index."""
        return self.model().itemFromIndex(index).checkState()

    def checkedIndexes(self):
        """The model indices of the checked entries."""
        model = self.model()
        rows = range(model.rowCount())
        return tuple(model.index(row, 0) for row in rows if model.item(row).checkState() == QtCore.Qt.Checked)


@native
class ctkComboBox(QtWidgets.QComboBox):
    """A combo box that shows a text where nothing is chosen."""

    defaultText = stored(str, "", lambda self, text: self.setPlaceholderText(text))


@native
class ctkCheckBox(QtWidgets.QCheckBox):
    """A check box."""


@native
class ctkPathLineEdit(QtWidgets.QWidget):
    """A field for a path with a button to browse."""

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)

    Dirs, Files, Drives = 0x1, 0x2, 0x4
    NoDot, NoDotDot, Readable, Writable, Executable, Hidden = 0x2000, 0x4000, 0x10, 0x20, 0x40, 0x100

    filters = stored(int, 0x1 | 0x2 | 0x4 | 0x2000 | 0x4000 | 0x10)
    nameFilters = stored("QStringList", ())
    settingKey = stored(str, "")
    label = stored(str, "")
    showBrowseButton = stored(bool, True, lambda self, shown: self._button.setVisible(shown))
    showHistoryButton = stored(bool, True)

    def __init__(self, parent=None):
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._edit = QtWidgets.QLineEdit()
        self._button = QtWidgets.QToolButton()
        self._button.setText("...")
        row.addWidget(self._edit)
        row.addWidget(self._button)
        self._edit.connect("textChanged(QString)", lambda text: self.currentPathChanged.emit(text))
        self._button.connect("clicked()", self.browse)

    def _path(self) -> str:
        return self._edit.text

    def setCurrentPath(self, path: str) -> None:
        """Slot: sets the path."""
        self._edit.setText(path)

    currentPath = QtCore.Property(str, _path, setCurrentPath)

    def browse(self) -> None:
        """Slot: asks the user for a file or folder."""
        ask = QtWidgets.QFileDialog
        if self.filters & self.Files:
            chosen = ask.getOpenFileName(self, self.label, self._path(), ";;".join(self.nameFilters))
        else:
            chosen = ask.getExistingDirectory(self, self.label, self._path())
        if chosen:
            self.setCurrentPath(chosen)

    def addCurrentPathToHistory(self) -> None:
        """Slot: remembers the path."""


@native
class ctkSliderWidget(QtWidgets.QWidget):
    """A slider beside a spin box, of floating point values."""

    valueChanged = QtCore.Signal(float)

    def __init__(self, parent=None):
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Horizontal)
        self._spin = QtWidgets.QDoubleSpinBox()
        row.addWidget(self._slider)
        row.addWidget(self._spin)
        self._fit_slider()
        self._spin.connect("valueChanged(double)", self._on_spin)
        self._slider.connect("valueChanged(int)", lambda step: self._spin.setValue(self._spin.minimum + step / 100))

    def _on_spin(self, value: float) -> None:
        self._slider.setValue(round((value - self._spin.minimum) * 100))
        self.valueChanged.emit(value)

    def _fit_slider(self) -> None:
        self._slider.setRange(0, round((self._spin.maximum - self._spin.minimum) * 100))

    def setRange(self, minimum: float, maximum: float) -> None:
        """Sets both ends."""
        self._spin.setRange(minimum, maximum)
        self._fit_slider()

    def setValue(self, value: float) -> None:
        """Slot: sets the value."""
        self._spin.setValue(value)

    def _forwarded(kind, name):
        def write(self, value):
            setattr(self._spin, name, value)
            self._fit_slider()

        return QtCore.Property(kind, lambda self: getattr(self._spin, name), write)

    value = _forwarded(float, "value")
    minimum = _forwarded(float, "minimum")
    maximum = _forwarded(float, "maximum")
    singleStep = _forwarded(float, "singleStep")
    decimals = _forwarded(int, "decimals")
    prefix = _forwarded(str, "prefix")
    suffix = _forwarded(str, "suffix")
    del _forwarded


def module() -> types.ModuleType:
    """The module."""
    ctk = types.ModuleType("ctk", "CTK as Slicer's Python sees it, as far as our panels use it.")
    for cls in (
        ctkCheckBox,
        ctkCheckableComboBox,
        ctkCollapsibleButton,
        ctkCollapsibleGroupBox,
        ctkColorPickerButton,
        ctkComboBox,
        ctkFlowLayout,
        ctkMessageBox,
        ctkPathLineEdit,
        ctkSearchBox,
        ctkSliderWidget,
    ):
        setattr(ctk, cls.__name__, cls)
    return ctk
