"""ctkCollapsibleButton and ctkCollapsibleGroupBox: a heading that shows and hides what is below it."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets

from .conventions import native
from .native import stored


class _HidesChildren:
    """Hides the children while collapsed, and keeps what each child's own visibility is meant to be."""

    def _start_open(self) -> None:
        self._meant_hidden: set[int] = set()
        self._forcing = False
        self.setCheckable(True)
        self.setChecked(True)
        self.connect("toggled(bool)", self._on_toggled)

    def _is_collapsed(self) -> bool:
        return not self.checked

    def _set_collapsed(self, value: bool) -> None:
        self.setChecked(not value)

    def childEvent(self, event):
        super().childEvent(event)
        child = event.child()
        if event.type() == QtCore.QEvent.ChildPolished and isinstance(child, QtWidgets.QWidget):
            if child.isHidden() and child.testAttribute(QtCore.Qt.WA_WState_ExplicitShowHide):
                self._meant_hidden.add(id(child))
            child.installEventFilter(self)
            if self._is_collapsed():
                self._force(child, False)

    def eventFilter(self, child, event):
        kind = event.type()
        if not self._forcing and kind in (QtCore.QEvent.ShowToParent, QtCore.QEvent.HideToParent):
            if kind == QtCore.QEvent.HideToParent:
                self._meant_hidden.add(id(child))
            else:
                self._meant_hidden.discard(id(child))
                if self._is_collapsed():
                    self._force(child, False)
        return super().eventFilter(child, event)

    def _force(self, child: QtWidgets.QWidget, visible: bool) -> None:
        self._forcing = True
        try:
            child.setVisible(visible)
        finally:
            self._forcing = False

    def _show_children(self, visible: bool) -> None:
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget) and not (visible and id(child) in self._meant_hidden):
                self._force(child, visible)


@native
class ctkCollapsibleButton(_HidesChildren, QtWidgets.QAbstractButton):
    """A heading with an arrow over contents of its own; `checked` is the opposite of `collapsed`."""

    contentsCollapsed = QtCore.Signal(bool)

    collapsedHeight = stored(int, 14, lambda self, _: self._settle())
    flat = stored(bool, False, lambda self, _: self.update())
    contentsFrameShape = stored(int, int(QtWidgets.QFrame.NoFrame))
    contentsFrameShadow = stored(int, int(QtWidgets.QFrame.Plain))
    contentsLineWidth = stored(int, 1)
    contentsMidLineWidth = stored(int, 0)
    buttonTextAlignment = stored(int, int(QtCore.Qt.AlignLeft | QtCore.Qt.AlignVCenter))
    indicatorAlignment = stored(int, int(QtCore.Qt.AlignLeft | QtCore.Qt.AlignVCenter))

    def __init__(self, text="", parent=None):
        super().__init__(parent if isinstance(text, str) else text)
        self._start_open()
        self.setText(text if isinstance(text, str) else "")
        self.setSizePolicy(QtWidgets.QSizePolicy.Minimum, QtWidgets.QSizePolicy.Preferred)
        self.setContentsMargins(0, self._heading_size().height(), 0, 0)

    collapsed = QtCore.Property(bool, _HidesChildren._is_collapsed, _HidesChildren._set_collapsed)

    def _on_toggled(self, checked: bool) -> None:
        self._show_children(checked)
        self._settle()
        self.contentsCollapsed.emit(not checked)

    def _settle(self) -> None:
        unlimited = 16777215
        self.setMaximumHeight(self.sizeHint().height() if self._is_collapsed() else unlimited)
        self.updateGeometry()
        self.update()

    def _heading_size(self) -> QtCore.QSize:
        metrics = self.fontMetrics()
        style = self.style()
        margin = style.pixelMetric(QtWidgets.QStyle.PM_ButtonMargin, None, self)
        indicator = style.pixelMetric(QtWidgets.QStyle.PM_IndicatorWidth, None, self)
        width = metrics.horizontalAdvance(self.text) + indicator + 2 * margin
        return QtCore.QSize(width, max(metrics.height(), indicator) + margin)

    def sizeHint(self):
        heading = self._heading_size()
        if self._is_collapsed():
            return heading + QtCore.QSize(0, self.collapsedHeight)
        contents = self.layout().totalSizeHint() if self.layout() else QtCore.QSize()
        return contents.expandedTo(heading + QtCore.QSize(0, self.collapsedHeight))

    def minimumSizeHint(self):
        heading = self._heading_size()
        if self._is_collapsed():
            return heading + QtCore.QSize(0, self.collapsedHeight)
        return (self.layout().totalMinimumSize() if self.layout() else heading).expandedTo(heading)

    def hitButton(self, position):
        return QtCore.QRect(QtCore.QPoint(0, 0), QtCore.QSize(self.width, self._heading_size().height())).contains(
            position
        )

    def changeEvent(self, event):
        super().changeEvent(event)
        if event.type() in (QtCore.QEvent.FontChange, QtCore.QEvent.StyleChange):
            self.setContentsMargins(0, self._heading_size().height(), 0, 0)

    def paintEvent(self, _event):
        painter = QtGui.QPainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect.setHeight(self._heading_size().height())
        option.state |= QtWidgets.QStyle.State_Sunken if self.isDown() else QtWidgets.QStyle.State_Raised
        if self.flat:
            option.features |= QtWidgets.QStyleOptionButton.Flat
        style = self.style()
        style.drawControl(QtWidgets.QStyle.CE_PushButtonBevel, option, painter, self)
        height = option.rect.height()
        side = style.pixelMetric(QtWidgets.QStyle.PM_IndicatorWidth, option, self)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect((height - side) // 2, (height - side) // 2, side, side)
        primitive = (
            QtWidgets.QStyle.PE_IndicatorArrowRight if self.collapsed else QtWidgets.QStyle.PE_IndicatorArrowDown
        )
        style.drawPrimitive(primitive, arrow, painter, self)
        words = option.rect.adjusted(height, 0, 0, 0)
        flags = int(QtCore.Qt.AlignLeft | QtCore.Qt.AlignVCenter | QtCore.Qt.TextShowMnemonic)
        style.drawItemText(painter, words, flags, self.palette, self.enabled, self.text, QtGui.QPalette.ButtonText)


@native
class ctkCollapsibleGroupBox(_HidesChildren, QtWidgets.QGroupBox):
    """A group box whose title shows and hides the contents."""

    collapsedHeight = stored(int, 14)

    def __init__(self, title="", parent=None):
        super().__init__(parent if isinstance(title, str) else title)
        self._start_open()
        self.setTitle(title if isinstance(title, str) else "")

    collapsed = QtCore.Property(bool, _HidesChildren._is_collapsed, _HidesChildren._set_collapsed)

    def _on_toggled(self, checked: bool) -> None:
        self._show_children(checked)
        unlimited = 16777215
        self.setMaximumHeight(unlimited if checked else self.fontMetrics().height() + self.collapsedHeight)
        self.updateGeometry()
