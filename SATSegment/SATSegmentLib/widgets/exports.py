"""Results into files: the segmentation, DICOM SEG, the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..errors import SATError
from ..mrml.dicom import dicom_volume, made_by, missing_for_dicom, missing_sources, origins_of, segments_on
from ..output import write_table
from ..output.dicom_job import DicomSegJob
from .packages import Installation, missing_packages
from .rows import Row

HIGHDICOM = "highdicom>=0.26"  # a package that only DICOM SEG needs
_POLL_MS = 200
_SHOWN_MS = 8000


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
        self._actions = []
        for text, pressed in (
            (_("Segmentation (.seg.nrrd) …"), self.segmentation),
            (_("DICOM SEG …"), self.dicom),
            (_("Table (.csv) …"), self.table),
        ):
            self._actions.append(self._menu.addAction(text))
            self._actions[-1].connect("triggered()", pressed)
        _segmentation, self._dicom, self._table = self._actions
        self._installation: Installation | None = None
        self._job: DicomSegJob | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(_POLL_MS)
        self._timer.connect("timeout()", self._poll)
        self._menu.connect("aboutToShow()", self._update)
        button.setMenu(self._menu)

    def _update(self) -> None:
        self._table.enabled = bool(self._rows())
        self._dicom.enabled = self._job is None and self._installation is None

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
        """Says how QuantitativeReporting writes DICOM SEG; without it asks for a name and writes it."""
        volume, segmentation = self._nodes()
        database = getattr(slicer, "dicomDatabase", None)
        reporting = hasattr(slicer.modules, "quantitativereporting")
        lacks = missing_for_dicom(volume, segmentation, database) if reporting else missing_sources(volume, database)
        if lacks:
            text = "\n".join(f"• {sentence}" for sentence in lacks)
            slicer.util.infoDisplay(_("DICOM SEG cannot be written yet:") + "\n" + text)
        elif reporting:
            slicer.util.infoDisplay(_("Right-click the segmentation in the Data module and choose Export to DICOM."))
            slicer.util.selectModule("Data")
        elif "highdicom" in missing_packages([HIGHDICOM]):
            self._install()
        else:
            self._write_dicom(volume, segmentation, database)

    def _install(self) -> None:
        question = _("DICOM SEG is written by the package highdicom. Install it into Slicer's Python (about 20 MB)?")
        if slicer.util.confirmOkCancelDisplay(question, _("Install packages")):
            self._installation = Installation(slicer.util.showStatusMessage, self._installed, [HIGHDICOM])
            self._installation.start(["highdicom"])

    def _installed(self, error: SATError | None) -> None:
        self._installation = None
        if error is None:
            self.dicom()
        else:
            slicer.util.errorDisplay(str(error), detailedText=getattr(error, "details", ""))

    def _write_dicom(self, volume_node, segmentation_node, database) -> None:
        path = self._asked(_("Export DICOM SEG"), "SAT", ".dcm", _("DICOM (*.dcm)"))
        if not path:
            return
        with slicer.util.tryWithErrorDisplay(_("The DICOM SEG could not be written."), waitCursor=True):
            volume = dicom_volume(volume_node, database)
            segments = segments_on(volume_node, segmentation_node)
            made = made_by(segmentation_node), origins_of(segmentation_node)
            self._job = DicomSegJob(Path(path), volume, segments, *made)
            self._timer.start()
            slicer.util.showStatusMessage(_("Writing {path} …").format(path=path))

    def _poll(self) -> None:
        if self._job.running:
            return
        self._timer.stop()
        job, self._job = self._job, None
        try:
            job.end()
            slicer.util.showStatusMessage(_("{path} was written.").format(path=job.path), _SHOWN_MS)
        except SATError as error:
            slicer.util.errorDisplay(str(error), detailedText=getattr(error, "details", ""))
