"""Tables as the panel's tabs use them."""

from __future__ import annotations

from collections.abc import Sequence

import qt
import slicer


def prepare(table, headings: Sequence[str]) -> None:
    """A table of rows to select, whose first column takes the room that the others leave."""
    table.columnCount = len(headings)
    table.setHorizontalHeaderLabels(list(headings))
    table.verticalHeader().visible = False
    table.verticalHeader().setDefaultSectionSize(table.fontMetrics().height() + 10)
    table.selectionBehavior = qt.QAbstractItemView.SelectRows
    table.editTriggers = qt.QAbstractItemView.NoEditTriggers
    table.wordWrap = False
    header = table.horizontalHeader()
    header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
    for column in range(1, len(headings)):
        header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)


def fill_row(table, row: int, values: Sequence[str], tip: str = "", icon=None) -> None:
    """Sets a row's texts; numbers to the right, the icon into the last column."""
    for column, value in enumerate(values):
        item = qt.QTableWidgetItem(value)
        item.setToolTip(tip or value)
        if column:
            item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
        table.setItem(row, column, item)
    if icon is not None:
        table.item(row, len(values) - 1).setIcon(icon)


def selected_rows(table) -> list[int]:
    """The rows selected, from the top."""
    return sorted({index.row() for index in table.selectionModel().selectedRows()})


def select_rows(table, rows: Sequence[int]) -> None:
    """Selects these rows and no other."""
    table.clearSelection()
    for row in rows:
        table.selectionModel().select(
            table.model().index(row, 0), qt.QItemSelectionModel.Select | qt.QItemSelectionModel.Rows
        )


def standard_icon(name: str):
    """An icon of the application's style, such as "SP_MessageBoxWarning"."""
    return slicer.app.style().standardIcon(getattr(qt.QStyle, name))
