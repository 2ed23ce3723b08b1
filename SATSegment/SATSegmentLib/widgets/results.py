"""The table of what was found, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import qt
from slicer.i18n import tr as _

from .rows import Row

LOW_CONFIDENCE = 0.6
_SWATCH = 12


class ResultsTable:
    """The table.

    Args:
        selected: Called with a row when it is clicked.
    """

    def __init__(self, selected: Callable[[Row], None]) -> None:
        self._rows: list[Row] = []
        self._selected = selected
        self.widget = self.table = qt.QTableWidget()
        self.table.objectName = "results"
        headings = [_("Term"), _("ml"), _("Mean"), _("Conf."), _("s")]
        self.table.columnCount = len(headings)
        self.table.setHorizontalHeaderLabels(headings)
        self.table.verticalHeader().visible = False
        self.table.verticalHeader().setDefaultSectionSize(self.table.fontMetrics().height() + 8)
        self.table.selectionBehavior = qt.QAbstractItemView.SelectRows
        self.table.editTriggers = qt.QAbstractItemView.NoEditTriggers
        self.table.minimumHeight = 120
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        for column in range(1, len(headings)):
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        self.table.connect("cellClicked(int,int)", lambda row, column: self._selected(self._rows[row]))

    def show(self, rows: Sequence[Row]) -> None:
        """Shows rows; those that are shown already stay as they are."""
        rows = list(rows)
        if rows[: len(self._rows)] != self._rows:
            self._rows = []
            self.table.rowCount = 0
        for row in rows[len(self._rows) :]:
            self._append(row)
        self._rows = rows

    def _append(self, row: Row) -> None:
        place = self.table.rowCount
        self.table.rowCount = place + 1
        marks = marks_of(row)
        tip = "\n".join([*marks, *cleaning_of(row)]) or _("Click to go there.")
        values = (
            f"{row.name} ⚠" if marks else row.name,
            f"{row.volume_ml:.1f}" if row.voxels else "–",
            "" if row.mean is None else f"{row.mean:.0f}",
            f"{row.confidence:.2f}" if row.voxels and row.confidence is not None else "",
            "" if row.seconds is None else f"{row.seconds:.1f}",
        )
        for column, value in enumerate(values):
            item = qt.QTableWidgetItem(value)
            item.setToolTip(tip)
            if column:
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            self.table.setItem(place, column, item)
        pixmap = qt.QPixmap(_SWATCH, _SWATCH)
        pixmap.fill(qt.QColor(*row.color))
        self.table.item(place, 0).setIcon(qt.QIcon(pixmap))


def marks_of(row: Row) -> list[str]:
    """What a reader should know of a row, a sentence each."""
    if not row.voxels:
        return [_("Not found in this volume.")]
    marks = []
    if row.edited:
        marks.append(_("Edited since it was segmented."))
    if row.confidence is not None and row.confidence < LOW_CONFIDENCE:
        marks.append(_("Low confidence: look at it closely."))
    if row.touches_border:
        marks.append(_("It touches the volume's border, so a part of it may be missing."))
    return marks


def cleaning_of(row: Row) -> list[str]:
    """What was done to its mask after the model gave it, a sentence; none where nothing was found or done."""
    cleaned = row.measured.get("cleaned") if row.voxels else None
    return [_("Cleaned: {what}.").format(what=cleaned)] if cleaned else []
