"""ctkFlowLayout: items in rows that break at the width."""

from __future__ import annotations

from PySide6 import QtCore, QtWidgets

from .conventions import native
from .native import stored


@native
class ctkFlowLayout(QtWidgets.QLayout):
    """Places its items beside each other, as many as fit, then below."""

    orientation = stored(int, int(QtCore.Qt.Horizontal))
    preferredExpandingDirections = stored(int, int(QtCore.Qt.Horizontal))
    alignItems = stored(bool, True)
    horizontalSpacing = stored(int, -1)
    verticalSpacing = stored(int, -1)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._items: list[QtWidgets.QLayoutItem] = []

    def addItem(self, item):
        self._items.append(item)

    def count(self):
        return len(self._items)

    def itemAt(self, index):
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index):
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self):
        return QtCore.Qt.Orientation(0)

    def hasHeightForWidth(self):
        return True

    def heightForWidth(self, width):
        return self._place(QtCore.QRect(0, 0, width, 0), move=False)

    def setGeometry(self, rect):
        super().setGeometry(rect)
        self._place(rect, move=True)

    def sizeHint(self):
        return self.minimumSize()

    def minimumSize(self):
        size = QtCore.QSize()
        for item in self._items:
            size = size.expandedTo(item.minimumSize())
        margins = self.contentsMargins()
        return size + QtCore.QSize(margins.left() + margins.right(), margins.top() + margins.bottom())

    def _place(self, rect: QtCore.QRect, move: bool) -> int:
        """Places the items inside the rectangle; returns the height they need, in pixels."""
        inner = rect.marginsRemoved(self.contentsMargins())
        margins = self.contentsMargins()
        gap = self.spacing if self.spacing >= 0 else 4
        across = self.horizontalSpacing if self.horizontalSpacing >= 0 else gap
        down = self.verticalSpacing if self.verticalSpacing >= 0 else gap
        x, y, row = inner.x(), inner.y(), 0
        for item in self._items:
            if item.isEmpty():
                continue
            size = item.sizeHint()
            if row and x + size.width() > inner.right() + 1:
                x, y, row = inner.x(), y + row + down, 0
            if move:
                item.setGeometry(QtCore.QRect(QtCore.QPoint(x, y), size))
            x += size.width() + across
            row = max(row, size.height())
        return y + row - rect.y() + margins.bottom()
