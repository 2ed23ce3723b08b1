"""The tab that says which term each label teaches."""

from __future__ import annotations

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from SATSegmentLib.anatomy.search import TERM
from SATSegmentLib.widgets.search_index import search_index

from ..cases.matching import text_of
from . import tables
from .training_set import TrainingSet, terms_of_text

_LABEL, _CASES, _TERM, _MARK = range(4)
_OFFERED = 8


class LabelsTab:
    """The tab.

    Args:
        ui: `slicer.util.childWidgetVariables` of the loaded file.
        changed: Called when the user changed what a label teaches.
    """

    def __init__(self, ui, changed: Callable[[], None]) -> None:
        self.ui = ui
        self.set = TrainingSet()
        self.edits: list = []
        """The fields for the terms, a row each."""
        self._rows: list[tuple[str, str, int]] = []
        self._changed = changed
        self._offers = qt.QStringListModel()
        self._icons = {
            True: tables.standard_icon("SP_DialogApplyButton"),
            False: tables.standard_icon("SP_MessageBoxQuestion"),
        }
        table = ui.labelsTable
        tables.prepare(table, (_("Label"), _("Cases"), _("Term"), ""))
        header = table.horizontalHeader()
        header.setSectionResizeMode(_LABEL, qt.QHeaderView.Interactive)
        header.setSectionResizeMode(_TERM, qt.QHeaderView.Stretch)
        table.selectionMode = qt.QAbstractItemView.NoSelection

    def show(self, chosen: TrainingSet) -> None:
        """Shows the labels of cases."""
        self.set = chosen
        rows = chosen.rows()
        table = self.ui.labelsTable
        if rows != self._rows:
            self._rows = rows
            self.edits.clear()
            table.rowCount = 0
            table.rowCount = len(rows)
            several = len({dataset for dataset, _label, _count in rows}) > 1
            for row, (dataset, label, count) in enumerate(rows):
                tables.fill_row(table, row, (label, str(count), "", ""), f"{label} ({dataset})" if several else label)
                edit = self._edit(row)
                self.edits.append(edit)
                table.setCellWidget(row, _TERM, edit)
            table.resizeColumnToContents(_LABEL)
            table.setColumnWidth(_LABEL, min(table.columnWidth(_LABEL), 140))
        for row in range(len(rows)):
            self._show_meaning(row)
        self.update()

    def update(self) -> None:
        """Says how many labels want a look."""
        unsure = [label for dataset, label, _n in self._rows if not self.set.meaning(dataset, label).sure]
        terms = self.set.terms()
        if not self._rows:
            self.ui.labelsNote.text = _("The labels of the cases you add are listed here.")
        elif unsure:
            shown = ", ".join(unsure[:4]) + (" …" if len(unsure) > 4 else "")
            self.ui.labelsNote.text = _("Terms: {count}. Look at what was guessed: {labels}.").format(
                count=len(terms), labels=shown
            )
        else:
            self.ui.labelsNote.text = _("Terms: {count}.").format(count=len(terms))

    def _edit(self, row: int):
        """A line with the search of SAT Segment behind it; Enter or leaving it confirms."""
        edit = qt.QLineEdit()
        edit.objectName = f"term{row}"
        edit.frame = False
        edit.placeholderText = _("not taught")
        completer = qt.QCompleter(self._offers, edit)
        completer.setCompletionMode(qt.QCompleter.UnfilteredPopupCompletion)
        completer.setCaseSensitivity(qt.Qt.CaseInsensitive)
        edit.setCompleter(completer)
        completer.connect("activated(QString)", lambda text: self._picked(row, text))
        edit.connect("textEdited(QString)", lambda text: self._offer(completer, text))
        edit.connect("editingFinished()", lambda: self._edited(row, agreed=False))
        edit.connect("returnPressed()", lambda: self._edited(row, agreed=True))
        return edit

    def _offer(self, completer, text: str) -> None:
        """Terms for what is being typed after the last separator."""
        before, separator, typed = text.rpartition(";")
        head = f"{before}{separator} " if separator else ""
        found = []
        if typed.strip():
            hits = search_index().search(typed.strip(), limit=_OFFERED)
            found = [head + text_of(hit.term) for hit in hits if hit.kind == TERM]
        self._offers.setStringList(found)
        if found:
            completer.complete()

    def _picked(self, row: int, text: str) -> None:
        """A term was chosen from those offered, which needs no Enter on top."""
        if row < len(self.edits):
            self.edits[row].text = text
            self._edited(row, agreed=True)

    def _edited(self, row: int, agreed: bool) -> None:
        """A field was left, or what it says was agreed to."""
        if row >= len(self._rows):
            return
        dataset, label, _count = self._rows[row]
        terms = terms_of_text(self.edits[row].text)
        known = self.set.meaning(dataset, label)
        if terms == known.terms and (known.sure or not agreed):
            return
        self.set.set_terms(dataset, label, terms)
        self._show_meaning(row)
        self.update()
        self._changed()

    def _show_meaning(self, row: int) -> None:
        dataset, label, _count = self._rows[row]
        meaning = self.set.meaning(dataset, label)
        edit = self.edits[row]
        if edit.text != meaning.text and not edit.hasFocus():
            edit.text = meaning.text
            edit.setCursorPosition(0)
        item = self.ui.labelsTable.item(row, _MARK)
        item.setIcon(self._icons[meaning.sure])
        if meaning.sure:
            tip = _("Certain.") if meaning.terms else _("Not taught.")
        else:
            tip = _("A guess: correct it, or press Enter in the field to agree.")
        item.setToolTip(tip)
        edit.toolTip = meaning.text
