"""Results into files: the segmentation, DICOM SEG, the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..mrml.dicom import missing_for_dicom
from ..output import write_table
from .rows import Row


class ExportMenu:
    """The menu of the export button.

    Args:
        button: Gets the menu.
        nodes: Gives the volume and the segmentation chosen, or None for either.
        rows: Gives the results shown.
    """

    def __init__(self, button, nodes: Callable[[], tuple], rows: Callable[[], Sequence[Row]]) -> None:
        self._button, self._nodes, self._rows = button, nodes, rows
        self._menu = qt.QMenu(button)
        for text, pressed in (
            (_("Segmentation (.seg.nrrd) …"), self.segmentation),
            (_("DICOM SEG …"), self.dicom),
        ):
            self._menu.addAction(text).connect("triggered()", pressed)
        self._table = self._menu.addAction(_("Table (.csv) …"))
        self._table.connect("triggered()", self.table)
        self._menu.connect("aboutToShow()", self._update)
        button.setMenu(self._menu)

    def _update(self) -> None:
        self._table.enabled = bool(self._rows())

    def segmentation(self) -> None:
        """Asks for a name and writes the segmentation."""
        path = self._asked(_("Export segmentation"), "SAT", ".seg.nrrd", _("Segmentation (*.seg.nrrd)"))
        if path and not slicer.util.exportNode(self._nodes()[1], path, world=True):
            slicer.util.errorDisplay(_("{path} could not be written; choose another folder.").format(path=path))

    def table(self) -> None:
        """Asks for a name and writes the results."""
        path = self._asked(_("Export table"), "SAT", ".csv", _("Table (*.csv)"))
        if path:
            with slicer.util.tryWithErrorDisplay(_("The table could not be written.")):
                write_table(Path(path), [row.measured for row in self._rows()])

    def _asked(self, title: str, name: str, suffix: str, kind: str) -> str:
        """The file to write; empty for none. The dialog asks about one that exists only under the name as typed."""
        path = qt.QFileDialog.getSaveFileName(self._button, title, name + suffix, kind)
        if not path or path.lower().endswith(suffix):
            return path
        path += suffix
        question = _("{path} exists. Replace it?").format(path=path)
        return "" if Path(path).exists() and not slicer.util.confirmYesNoDisplay(question) else path

    def dicom(self) -> None:
        """Says how DICOM SEG is written, or what is missing for it here."""
        volume, segmentation = self._nodes()
        lacks = missing_for_dicom(volume, segmentation, getattr(slicer, "dicomDatabase", None))
        if not hasattr(slicer.modules, "quantitativereporting"):
            lacks.append(
                _(
                    "The extension QuantitativeReporting, which writes DICOM SEG, is not installed: install it in the "
                    "Extensions Manager and restart Slicer."
                )
            )
        if lacks:
            text = "\n".join(f"• {sentence}" for sentence in lacks)
            slicer.util.infoDisplay(_("DICOM SEG cannot be written yet:") + "\n" + text)
            return
        slicer.util.infoDisplay(_("Right-click the segmentation in the Data module and choose Export to DICOM."))
        slicer.util.selectModule("Data")
