"""What both modules' panels do with widgets."""

from __future__ import annotations

import ctk
from slicer.i18n import tr as _


def select(combo, value: str) -> None:
    """Selects the entry of a combo box that has `value` as its data; one that is not there yet is added."""
    row = combo.findData(value or "")
    if row < 0 and value:
        combo.addItem(value, value)
        row = combo.findData(value)
    combo.currentIndex = max(row, 0)


def show_details(error: Exception) -> None:
    """Shows an error's sentence with its `details`, such as the end of a log."""
    box = ctk.ctkMessageBox()
    box.setWindowTitle(_("Details"))
    box.text = str(error)
    box.setDetailedText(error.details)
    box.exec_()
