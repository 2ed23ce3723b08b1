"""The panel of SATSegment: its widgets wired to a session."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from ..anatomy import Term, Vocabulary, coded_entry, knowledge_tree, sat_classes, term_index
from ..errors import InputError, SATError
from ..imaging import Mask
from ..mrml.regions import new_roi
from ..mrml.segments import SegmentWriter
from ..mrml.views import Outline, jump_to
from ..mrml.volumes import node_modality, volume_of
from ..output import write_table
from ..worker.client import Worker
from .chosen import Chosen, ChosenTerms
from .picker import TermPicker
from .results import ResultsTable
from .session import ENCODING, IDLE, SEGMENTING, STARTING, Asked, ImageSettings, Session
from .setup import SetupPanel, worker_command

POLL_MS = 40
MODALITIES = (("", _("Guess")), ("ct", "CT"), ("mri", "MRI"), ("pet", "PET"), ("us", _("Ultrasound")))
_STAGES = {
    STARTING: _("Starting the model …"),
    ENCODING: _("Encoding the image …"),
    SEGMENTING: _("Segmenting …"),
}


class Panel:
    """Wires the widgets of `SATSegment.ui` to a session.

    Args:
        ui: `slicer.util.childWidgetVariables` of the loaded file.
        term_pack: Makes what the parameter node keeps of a term, from its name, id and colour.
    """

    def __init__(self, ui, term_pack: Callable[[str, str, str], object]) -> None:
        self.ui = ui
        self._term_pack = term_pack
        self.node = None  # the parameter node's wrapper
        self._updating = False
        self._outline: Outline | None = None
        self._told: tuple = (None, None)
        self._volume_id: str | None = None  # of the volume shown
        self._clicked: list[Chosen] = []  # added while something ran, to be segmented next
        self._vocabulary_key: tuple | None = None
        self._models: dict[str, dict] = {}
        self.session = Session(Worker(*worker_command()), self._session_changed)
        self.picker = TermPicker(knowledge_tree(), term_index, self.add_term, self.add_group, self._hover)
        self.chosen = ChosenTerms(self._chosen_changed)
        self.results = ResultsTable(self._go_to)
        self.setup = SetupPanel(self.session, self._models_changed, self._command_changed)
        for place, part in (
            (ui.pickerPlace, self.picker),
            (ui.chosenPlace, self.chosen),
            (ui.resultsPlace, self.results),
            (ui.setupPlace, self.setup),
        ):
            layout = qt.QVBoxLayout(place)
            layout.setContentsMargins(0, 0, 0, 0)
            layout.addWidget(part.widget)
        for value, text in MODALITIES:
            ui.modality.addItem(text, value)
        ui.device.addItem(_("Automatic"), "auto")
        ui.device.addItem(_("CPU"), "cpu")
        self._show_models()
        self._connect()
        self._timer = qt.QTimer()
        self._timer.interval = POLL_MS
        self._timer.connect("timeout()", self.poll)
        self._timer.start()
        # the search takes a moment to make, for which neither opening nor the first letter need wait
        self._later = qt.QTimer()
        self._later.setSingleShot(True)
        self._later.interval = 200
        self._later.connect("timeout()", threading.Thread(target=_warm_up, daemon=True).start)
        self._later.start()
        self._session_changed()

    # Life

    def set_node(self, node) -> None:
        """Shows another state (the wrapper of a parameter node), or none."""
        self.node = node
        if node is None:
            return
        self._volume_id = _id(node.inputVolume)
        self._updating = True
        try:
            _select(self.ui.modality, node.modality)
            _select(self.ui.model, node.model)
            _select(self.ui.device, node.device)
            self.chosen.set_terms([Chosen(term.name, term.termId, term.color) for term in node.terms])
        finally:
            self._updating = False
        self.update()

    def poll(self) -> None:
        """Brings what the worker sent; called by the timer."""
        self.session.poll()
        if self._clicked and not self.session.busy:
            clicked, self._clicked = self._clicked, []
            if self._is_ready():
                self.run(clicked)

    def scene_closing(self) -> None:
        """The scene's nodes are about to go."""
        self._clicked = []
        self._drop_outline()
        self.session.forget()

    def node_removed(self, node) -> None:
        """A node leaves the scene: what runs on it stops."""
        if self.node is not None and node is self.node.inputVolume:
            self.scene_closing()
        elif self.session.uses(node):
            self._clicked = []
            self.session.forget_output()

    def close(self) -> None:
        """Stops the worker and the timers."""
        self._timer.stop()
        self._later.stop()
        self._drop_outline()
        self.session.close()

    # State

    def update(self) -> None:
        """Shows what is possible now, and why what is not is not."""
        if self.node is None:
            return
        if _id(self.node.inputVolume) != self._volume_id:
            self._volume_id = _id(self.node.inputVolume)
            self._volume_changed()
        self._show_vocabulary()
        reason = self._reason_not_to_run()
        ui = self.ui
        ui.runButton.enabled = not reason and not self.session.busy
        ui.runButton.toolTip = reason or (
            _("A run is going on.") if self.session.busy else _("Segment the chosen terms.")
        )
        ui.newRegion.enabled = self.node.inputVolume is not None
        ui.newRegion.toolTip = (
            _("Place a box on the middle of the volume, to be moved in the views.")
            if self.node.inputVolume
            else _("Choose a volume first.")
        )
        rows = bool(self.session.rows)
        for button, ready, why in (
            (ui.cancelButton, self.session.busy, _("Nothing is running.")),
            (ui.undoButton, self.session.can_undo, _("There is no run to take back.")),
            (ui.exportButton, rows or self._has_segments(), _("There is no result yet.")),
            (ui.show3d, self._has_segments(), _("There is no result yet.")),
        ):
            button.enabled = ready
            button.toolTip = "" if ready else why

    def settings(self) -> ImageSettings:
        """What the panel says of the image.

        Raises:
            InputError: No volume is chosen.
        """
        if self.node is None or self.node.inputVolume is None:
            raise InputError(_("Choose a volume first."))
        return ImageSettings(
            self.node.inputVolume, self.modality(), self.node.model, self.node.device or "auto", self.node.region
        )

    def modality(self) -> str | None:
        """Chosen, else told by the volume; None to guess by its intensities."""
        if self.node is None:
            return None
        return self.node.modality or self._told_modality()

    def _told_modality(self) -> str | None:
        """What the volume tells of itself; looked for once, as that may mean to go through its voxels."""
        node = self.node.inputVolume
        image = node.GetImageData() if node is not None else None
        key = None if image is None else (node.GetID(), node.GetName(), image.GetMTime())
        if self._told[0] != key:
            self._told = key, None if key is None else node_modality(node)
        return self._told[1]

    def vocabulary(self) -> Vocabulary:
        """What the chosen model was trained on; of one that does not say, SAT's own classes."""
        terms = self._models.get(self.node.model if self.node else "", {}).get("terms") or sat_classes()
        return Vocabulary(knowledge_tree(), [tuple(term) for term in terms])

    # Terms

    def add_term(self, what: Term | str) -> None:
        """Adds a term or free text; segments it at once where that is wanted and the image is ready."""
        self.picker.stop_hover()
        self._added(self.chosen.add([_chosen(what)]))

    def add_group(self, name: str, terms: Sequence[Term]) -> None:
        """Adds a group's trained terms, after saying how many."""
        question = _("Add all {count} terms of {name} that the model knows?").format(count=len(terms), name=name)
        if len(terms) == 1 or slicer.util.confirmOkCancelDisplay(question, _("Add terms")):
            self._added(self.chosen.add([_chosen(term) for term in terms]))

    def _added(self, new: Sequence[Chosen]) -> None:
        if new and self.ui.segmentAsIClick.checked and (self.session.busy or self._is_ready()):
            self._clicked += new  # by the next poll that finds nothing running

    def asked(self, chosen: Chosen) -> Asked:
        """What the model is asked for a chosen term."""
        tree = knowledge_tree()
        term = tree.named(chosen.term_id)
        prompt = self._vocabulary.prompt(term, self.modality() or "") if term else chosen.name
        entry = coded_entry(term or chosen.name)
        if chosen.color:
            color = qt.QColor(chosen.color)
            entry = replace(entry, color=(color.red(), color.green(), color.blue()))
        return Asked(chosen.name, prompt, entry)

    # Running

    def run(self, chosen: Sequence[Chosen] | None = None) -> None:
        """Segments terms, all of the list if not given."""
        self.picker.stop_hover()
        try:
            settings = self.settings()
            volume_of(settings.volume_node)  # what cannot be segmented needs no segmentation
            asked = [self.asked(term) for term in (self.chosen.terms if chosen is None else chosen)]
            node = self._output_node()
            asked, replaced = self._without_conflicts(node, asked)
            if asked:
                self.session.segment(settings, asked, node, replaced)
        except SATError as error:
            self._show_error(error)

    def encode(self) -> None:
        """Encodes the image without a term."""
        try:
            self.session.encode(self.settings())
        except SATError as error:
            self._show_error(error)

    def _output_node(self):
        if self.node.outputSegmentation is None:
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
            node.SetName(f"{self.node.inputVolume.GetName()} segmentation")
            node.CreateDefaultDisplayNodes()
            self.node.outputSegmentation = node
        return self.node.outputSegmentation

    def _without_conflicts(self, node, asked: list[Asked]) -> tuple[list[Asked], dict[str, str]]:
        """Asks what to do with terms the segmentation has; returns what to segment and what it replaces."""
        writer = SegmentWriter(node, self.node.inputVolume)
        there = {term.name: found for term in asked if (found := writer.existing(term.name))}
        if not there:
            return asked, {}
        answer = ask_conflict(sorted(there))
        if answer == "replace":
            return asked, there
        if answer == "keep":
            return [_numbered(term, writer) if term.name in there else term for term in asked], {}
        if answer == "skip":
            return [term for term in asked if term.name not in there], {}
        return [], {}

    def _has_segments(self) -> bool:
        output = self.node.outputSegmentation
        return output is not None and output.GetSegmentation().GetNumberOfSegments() > 0

    def _reason_not_to_run(self) -> str:
        missing = self.setup.missing
        if missing:
            return _("Install what is missing first, under Setup: {names}.").format(names=", ".join(missing))
        if self.node.inputVolume is None:
            return _("Choose a volume first.")
        model = self._models.get(self.node.model)
        if model is not None and model["state"] == "not installed":
            return _("Download the model {name} first, under Setup.").format(name=self.node.model)
        if not self.chosen.terms:
            return _("Choose at least one term first.")
        return ""

    def _is_ready(self) -> bool:
        try:
            return self.session.is_ready(self.settings())
        except SATError:
            return False

    # Preview

    def _hover(self, what: Term | str | None) -> None:
        if what is None:
            self.session.stop_preview()
            if self._outline is not None:
                self._outline.clear()
        elif self.ui.preview.checked and self._is_ready():
            asked = self.asked(_chosen(what))
            self.session.preview(asked, lambda mask: self._show_outline(mask, asked))

    def _show_outline(self, mask: Mask, asked: Asked) -> None:
        if self._outline is None:
            self._outline = Outline(self.node.inputVolume)
        self._outline.show(mask, asked.entry.color)

    def _drop_outline(self) -> None:
        """Another volume needs another one, and a closed scene none."""
        if self._outline is not None:
            self._outline.remove()
            self._outline = None

    # Results

    def _go_to(self, row) -> None:
        if row.center is not None:
            jump_to(row.center)

    def _show_3d(self, on: bool) -> None:
        if self.node and self.node.outputSegmentation and self.node.inputVolume:
            SegmentWriter(self.node.outputSegmentation, self.node.inputVolume).show_3d(on)

    def _export_table(self) -> None:
        path = qt.QFileDialog.getSaveFileName(self.ui.exportButton, _("Export table"), "SAT.csv", "CSV (*.csv)")
        if path:
            with slicer.util.tryWithErrorDisplay(_("The table could not be written.")):
                write_table(Path(path), [row.measured for row in self.session.rows])

    def _export_segmentation(self) -> None:
        path = qt.QFileDialog.getSaveFileName(
            self.ui.exportButton, _("Export segmentation"), "SAT.seg.nrrd", _("Segmentation (*.seg.nrrd)")
        )
        if not path:
            return
        path = path if path.lower().endswith(".seg.nrrd") else f"{path}.seg.nrrd"
        if not slicer.util.exportNode(self.node.outputSegmentation, path, world=True):
            slicer.util.errorDisplay(_("{path} could not be written; choose another folder.").format(path=path))

    def _export_dicom(self) -> None:
        if not hasattr(slicer.modules, "quantitativereporting"):
            slicer.util.infoDisplay(
                _(
                    "DICOM SEG is written by the extension QuantitativeReporting. Install it in the Extensions "
                    "Manager, restart Slicer, then export the segmentation in the Data module."
                )
            )
            return
        slicer.util.infoDisplay(_("Right-click the segmentation in the Data module and choose Export to DICOM."))
        slicer.util.selectModule("Data")

    # Changes

    def _connect(self) -> None:
        ui = self.ui
        ui.modality.connect("currentIndexChanged(int)", lambda _index: self._store("modality", ui.modality.currentData))
        ui.model.connect("currentIndexChanged(int)", lambda _index: self._store("model", ui.model.currentData))
        ui.device.connect("currentIndexChanged(int)", lambda _index: self._store("device", ui.device.currentData))
        ui.region.connect("currentNodeChanged(vtkMRMLNode*)", lambda _node: self.update())
        ui.newRegion.connect("clicked()", self._new_region)
        ui.runButton.connect("clicked()", self.run)
        ui.cancelButton.connect("clicked()", self._cancel)
        ui.undoButton.connect("clicked()", self._undo)
        ui.show3d.connect("toggled(bool)", self._show_3d)
        ui.errorDetails.connect("clicked()", self._details)
        menu = qt.QMenu(ui.exportButton)
        for text, pressed in (
            (_("Segmentation (.seg.nrrd) …"), self._export_segmentation),
            (_("DICOM SEG …"), self._export_dicom),
            (_("Table (.csv) …"), self._export_table),
        ):
            menu.addAction(text).connect("triggered()", pressed)
        ui.exportButton.setMenu(menu)

    def _store(self, name: str, value: str) -> None:
        if self.node is not None and not self._updating:
            setattr(self.node, name, value or "")
        self.update()

    def _volume_changed(self) -> None:
        """Another scan: its own modality and segmentation, and its encoding where that is wanted."""
        self.picker.stop_hover()
        self.session.stop_preview()
        self._drop_outline()
        self._clicked = []
        node, output = self.node.inputVolume, self.node.outputSegmentation
        self.ui.modality.currentIndex = 0
        if output is not None and node is not None and not _is_of(output, node):
            self.node.outputSegmentation = None
        if node is not None and self.node.encodeAtOnce and not self.session.busy and not self.setup.missing:
            self.encode()

    def _chosen_changed(self, terms: Sequence[Chosen]) -> None:
        if self.node is not None and not self._updating:
            self.node.terms = [self._term_pack(term.name, term.term_id, term.color) for term in terms]
        self.update()

    def _new_region(self) -> None:
        with slicer.util.tryWithErrorDisplay(_("The region could not be placed.")):
            self.node.region = new_roi(slicer.mrmlScene, self.node.inputVolume)

    def _cancel(self) -> None:
        self._clicked = []
        self.session.cancel()

    def _undo(self) -> None:
        edited = self.session.edited
        question = _("You have edited {names} since. Take the run back all the same?").format(names=", ".join(edited))
        if not edited or slicer.util.confirmYesNoDisplay(question):
            with slicer.util.tryWithErrorDisplay(_("The run could not be taken back.")):
                self.session.undo()
        self.update()

    def _models_changed(self, models: Sequence[dict]) -> None:
        self._models = {model["name"]: model for model in models}
        self._show_models()
        self.update()

    def _command_changed(self) -> None:
        self.session.close()
        self.session = Session(Worker(*worker_command()), self._session_changed)
        self.setup.session = self.session
        self.setup.refresh()
        self._session_changed()

    def _show_models(self) -> None:
        combo = self.ui.model
        current = combo.currentData or (self.node.model if self.node else "sat-tiny")
        self._updating = True
        try:
            combo.clear()
            for name, model in self._models.items():
                state = "" if model["state"] == "built in" else f" ({_(model['state'])})"
                combo.addItem(model["title"] + state, name)
            if combo.findData(current) < 0:
                combo.addItem(current, current)
            combo.currentIndex = combo.findData(current)
        finally:
            self._updating = False

    def _show_devices(self) -> None:
        """What the worker has told of: GPUs are not known before it runs."""
        for device in self.session.worker.info.get("devices", ()):
            if self.ui.device.findData(device["id"]) < 0:
                self.ui.device.addItem(device["name"], device["id"])

    def _show_vocabulary(self) -> None:
        model = self._models.get(self.node.model, {})
        key = (self.node.model, self.modality(), model.get("state"), len(model.get("terms", ())))
        if self._vocabulary_key != key:
            self._vocabulary_key = key
            self._vocabulary = self.vocabulary()
            self.picker.set_vocabulary(self._vocabulary, self.modality())
        told = self._told_modality()
        names = dict(MODALITIES)
        self.ui.modality.setItemText(0, _("Guess: {modality}").format(modality=names[told]) if told else names[""])
        self.ui.modelNote.text = model.get("note", "")
        self.ui.modelNote.visible = bool(model.get("note"))

    def _session_changed(self) -> None:
        session, ui = self.session, self.ui
        ui.progress.visible = session.busy
        if session.busy:
            done, total = session.progress or (0, 0)
            ui.progress.maximum = total
            ui.progress.value = done
            left = session.seconds_left
            ui.status.text = _STAGES[session.stage] + (_(" about {left} left").format(left=_time(left)) if left else "")
        else:
            ui.status.text = "" if session.error else " ".join(filter(None, (self._summary(), session.warning)))
        self._show_devices()
        self._show_error(session.error if session.stage == IDLE else None)
        self.results.show(session.rows)
        self.update()

    def _summary(self) -> str:
        found = sum(bool(row.voxels) for row in self.session.rows)
        if self.session.rows:
            text = _("{found} of {count} terms found.").format(found=found, count=len(self.session.rows))
            if "encode" in self.session.seconds:
                text += " " + _("{seconds:.1f} s for the image.").format(seconds=self.session.seconds["encode"])
            if "segment" in self.session.seconds:
                text += " " + _("{seconds:.1f} s for the terms.").format(seconds=self.session.seconds["segment"])
            return text
        if self._is_ready():
            return _("The image is encoded: further terms take a moment only.")
        return ""

    def _show_error(self, error: Exception | None) -> None:
        self._error = error
        self.ui.errorText.text = str(error) if error else ""
        self.ui.errorText.visible = error is not None
        self.ui.errorDetails.visible = bool(getattr(error, "details", ""))

    def _details(self) -> None:
        box = ctk.ctkMessageBox()
        box.setWindowTitle(_("Details"))
        box.text = str(self._error)
        box.setDetailedText(self._error.details)
        box.exec_()


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


def _warm_up() -> None:
    """Makes the search and loads what finds typing errors."""
    term_index().search("kidny")


def _id(node) -> str | None:
    return None if node is None else node.GetID()


def _is_of(segmentation_node, volume_node) -> bool:
    """Whether a segmentation was made on a volume, or is still empty."""
    reference = segmentation_node.GetNodeReference(
        slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    )
    return reference is None or reference is volume_node


def _numbered(term: Asked, writer: SegmentWriter) -> Asked:
    """The term under a name that the segmentation does not have: "liver (2)"."""
    number = 2
    while writer.existing(f"{term.name} ({number})"):
        number += 1
    return replace(term, name=f"{term.name} ({number})")


def _chosen(what: Term | str) -> Chosen:
    return Chosen(what) if isinstance(what, str) else Chosen(what.name, what.id)


def _select(combo, value: str) -> None:
    row = combo.findData(value or "")
    if row < 0 and value:
        combo.addItem(value, value)
        row = combo.findData(value)
    combo.currentIndex = max(row, 0)


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
