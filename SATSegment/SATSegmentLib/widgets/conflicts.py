"""Terms that the segmentation has already: what to do with them is the user's to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import qt
from slicer.i18n import tr as _

from ..mrml.segments import SegmentWriter
from .asked import Asked


def without_conflicts(writer: SegmentWriter, asked: Sequence[Asked]) -> tuple[list[Asked], dict[str, str]]:
    """Asks what to do with terms the segmentation has.

    Returns:
        (asked, replaced): What is to be segmented, and ids of the segments that this replaces, by the term's name.
    """
    there = {term.name: found for term in asked if (found := writer.existing(term.name))}
    if not there:
        return list(asked), {}
    answer = ask_conflict(sorted(there))
    if answer == "replace":
        return list(asked), there
    if answer == "keep":
        return [_numbered(term, writer) if term.name in there else term for term in asked], {}
    if answer == "skip":
        return [term for term in asked if term.name not in there], {}
    return [], {}


def ask_conflict(names: Sequence[str]) -> str:
    """What to do with terms that the segmentation has: "replace", "keep", "skip", or "" for nothing at all."""
    box = qt.QMessageBox()
    box.setIcon(qt.QMessageBox.Question)
    box.setWindowTitle(_("Segments exist"))
    shown = ", ".join(names[:6]) + (" …" if len(names) > 6 else "")
    box.text = _("The segmentation already has {names}.").format(names=shown)
    box.informativeText = _("Replace them, keep both, or skip these terms?")
    buttons = {
        "replace": box.addButton(_("Replace"), qt.QMessageBox.AcceptRole),
        "keep": box.addButton(_("Keep both"), qt.QMessageBox.AcceptRole),
        "skip": box.addButton(_("Skip"), qt.QMessageBox.AcceptRole),
    }
    box.setEscapeButton(box.addButton(qt.QMessageBox.Cancel))
    box.setDefaultButton(buttons["keep"])  # Enter loses nothing
    box.exec_()
    return next((answer for answer, button in buttons.items() if box.clickedButton() == button), "")


def _numbered(term: Asked, writer: SegmentWriter) -> Asked:
    """The term under a name that the segmentation does not have: "liver (2)"."""
    number = 2
    while writer.existing(f"{term.name} ({number})"):
        number += 1
    return replace(term, name=f"{term.name} ({number})")
