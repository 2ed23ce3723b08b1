"""The panel of SATSegment: its widgets wired to a session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import qt
import slicer
from slicer.i18n import tr as _

from ..anatomy import Term, Vocabulary, knowledge_tree, sat_classes
from ..anatomy.prompts import clean_terms
from ..errors import InputError, SATError
from ..imaging import Mask
from ..mrml.regions import new_roi
from ..mrml.segments import SegmentWriter, shows_3d
from ..mrml.views import Outline, jump_to, show_volume
from ..worker.client import Worker
from .asked import Asked, ImageSettings
from .chosen import Chosen, ChosenTerms
from .conflicts import without_conflicts
from .exports import ExportMenu
from .image_form import ImageForm
from .many_volumes import ManyVolumes
from .outcome import Cleaning
from .picker import TermPicker
from .results import ResultsTable
from .search_index import entry_of, search_index, warm_up
from .session import Session
from .setup import SetupPanel, worker_command
from .status import Status

POLL_MS = 40
WARM_UP_MS = 200
START_MS = 1500  # after a volume was chosen


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
        self._volume_id: str | None = None  # of the volume shown
        self._clicked: list[Chosen] = []  # added while something ran, to be segmented next
        self._to_encode = False  # the volume chosen, once nothing runs
        self._made = None  # the segmentation that the last run made
        self._vocabulary_key: tuple | None = None
        self._devices: Sequence[dict] = ()
        self.session = Session(Worker(*worker_command()), self._session_changed)
        self.picker = TermPicker(knowledge_tree(), search_index, self.add_term, self.add_group, self._hover)
        self.chosen = ChosenTerms(self._chosen_changed)
        self.results = ResultsTable(self._go_to)
        self.form = ImageForm(ui, self._store)
        self.status = Status(ui)
        self.exports = ExportMenu(ui.exportButton, self._exported_nodes, lambda: self.session.rows)
        self.setup = SetupPanel(self.session, self._models_changed, self._command_changed)
        self.many = ManyVolumes(self._asked_of_many, self._settings_of_many)
        for place, part in (
            (ui.pickerPlace, self.picker),
            (ui.chosenPlace, self.chosen),
            (ui.resultsPlace, self.results),
            (ui.manyPlace, self.many),
            (ui.setupPlace, self.setup),
        ):
            layout = qt.QVBoxLayout(place)
            layout.setContentsMargins(0, 0, 0, 0)
            layout.addWidget(part.widget)
        self._connect()
        self._timer = qt.QTimer()
        self._timer.interval = POLL_MS
        self._timer.connect("timeout()", self.poll)
        self._timer.start()
        # the search takes a moment to make, for which neither opening nor the first letter need wait
        self._warming = _once_after(WARM_UP_MS, warm_up)
        self._warming.start()
        self._starting = _once_after(START_MS, self._start_quietly)
        self._session_changed()

    # Life

    def set_node(self, node) -> None:
        """Shows another state (the wrapper of a parameter node), or none."""
        self.node = node
        if node is None:
            self.ui.show3d.checked = False
            return
        if _id(node.inputVolume) != self._volume_id:
            self._volume_id = _id(node.inputVolume)
            self._drop_outline()
        self._start_later()
        self._updating = True
        try:
            self.chosen.set_terms([Chosen(term.name, term.termId, term.color) for term in node.terms])
        finally:
            self._updating = False
        self.update()
        self.session.look_again()

    def poll(self) -> None:
        """Brings what the worker sent; called by the timer."""
        self.session.poll()
        devices = self.session.worker.info.get("devices", ())
        if devices is not self._devices:
            self._devices = devices
            self.form.set_devices(devices)
        if self._clicked and not self.session.busy:
            clicked, self._clicked = self._clicked, []
            if self._is_ready():
                self.run(clicked)
        self._encode_in_turn()
        self.many.poll()

    def scene_closing(self) -> None:
        """The scene's nodes are about to go."""
        self.many.close()
        self._clicked, self._made, self._to_encode = [], None, False
        self._drop_outline()
        self.session.forget()

    def node_removed(self, node) -> None:
        """A node leaves the scene: what runs on it stops."""
        if self.node is not None and node is self.node.inputVolume:
            self._clicked = []
            self._drop_outline()
            self.session.forget_image()
        elif node.IsA("vtkMRMLSegmentationNode"):
            if node is self._made:
                self._clicked, self._made = [], None
            self.session.forget_output(node)

    def close(self) -> None:
        """Stops the worker and the timers."""
        for timer in (self._timer, self._warming, self._starting):
            timer.stop()
        self._drop_outline()
        self.many.close()
        self.setup.close()
        self.session.close()

    # State

    def update(self) -> None:
        """Shows what is possible now, and why what is not is not."""
        if self.node is None:
            return
        if _id(self.node.inputVolume) != self._volume_id:
            self._volume_id = _id(self.node.inputVolume)
            self._volume_changed()
        self.form.show(self.node)
        self.session.show_output(self.node.outputSegmentation)
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
        for button, ready, why in (
            (ui.cancelButton, self.session.busy, _("Nothing is running.")),
            (ui.undoButton, self.session.can_undo, _("There is no run to take back.")),
            (ui.exportButton, self._has_segments(), _("There is no result yet.")),
            (ui.show3d, self._has_segments(), _("There is no result yet.")),
        ):
            button.enabled = ready
            button.toolTip = "" if ready else why
        ui.show3d.checked = self._has_segments() and shows_3d(self.node.outputSegmentation)
        self.many.update()

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
        return self.node.modality or self.form.told_modality(self.node.inputVolume)

    def vocabulary(self) -> Vocabulary:
        """What the chosen model was trained on; of one that does not say, SAT's own classes."""
        terms = self.form.models.get(self.node.model if self.node else "", {}).get("terms") or sat_classes()
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
        modality = self.modality()
        term = knowledge_tree().named(chosen.term_id)
        if term:
            prompt = self._vocabulary.prompt(term, modality or "")
            trained = self._vocabulary.modalities(term)
        else:
            prompt = chosen.name
            trained = self._vocabulary.unknown.get(prompt, ())  # names of the model's own that the tree lacks
        entry = entry_of(term or chosen.name)
        if chosen.color:
            color = qt.QColor(chosen.color)
            entry = replace(entry, color=(color.red(), color.green(), color.blue()))
        return Asked(chosen.name, prompt, entry, free=modality not in trained if modality else not trained)

    # Running

    def run(self, chosen: Sequence[Chosen] | None = None) -> None:
        """Segments terms, all of the list if not given."""
        self.picker.stop_hover()
        self.session.error = None
        self.status.show_error(None)
        made = None
        try:
            settings = self.settings()
            show_volume(settings.volume_node)
            asked = [self.asked(term) for term in (self.chosen.terms if chosen is None else chosen)]
            node = self.node.outputSegmentation or (made := self._new_output())
            asked, replaced = without_conflicts(SegmentWriter(node, self.node.inputVolume), asked)
            if asked:
                node.SetDisplayVisibility(True)
                self.session.segment(settings, asked, node, replaced, self._cleaning())
            self._made = made
        except SATError as error:
            self._made = made
            self._drop_empty()
            self._refused(error)

    def encode(self) -> None:
        """Encodes the image without a term."""
        try:
            self.session.encode(self.settings())
        except SATError as error:
            self._refused(error)

    def _refused(self, error: SATError) -> None:
        if not self.session.busy:
            self.session.error = error  # so that it is still shown when something else changes
        self.status.show_error(error)

    def _new_output(self):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        node.SetName(_("{volume} segmentation").format(volume=self.node.inputVolume.GetName()))
        node.CreateDefaultDisplayNodes()
        self.node.outputSegmentation = node
        return node

    def _drop_empty(self) -> None:
        """A run that brought nothing leaves nothing: the segmentation it made goes again."""
        made, self._made = self._made, None
        if made is None or made.GetScene() is None or made.GetSegmentation().GetNumberOfSegments():
            return
        for node in filter(None, (made.GetDisplayNode(), made)):
            slicer.mrmlScene.RemoveNode(node)

    def _start_later(self) -> None:
        if self.node.inputVolume is not None and not self.session.worker.remote:
            self._starting.start()

    def _start_quietly(self) -> None:
        """Starts the worker's process, without a model: it tells of the devices, and the first run finds it there."""
        if self.session.worker.state == "stopped" and not self.session.worker.remote and not self.setup.missing:
            self.session.worker.start()

    def _has_segments(self) -> bool:
        output = self.node.outputSegmentation
        return output is not None and output.GetSegmentation().GetNumberOfSegments() > 0

    def _reason_not_to_run(self) -> str:
        missing = self.setup.missing
        if missing:
            return _("Install what is missing first, under Setup: {names}.").format(names=", ".join(missing))
        if self.node.inputVolume is None:
            return _("Choose a volume first.")
        if not self.chosen.terms:
            return self.form.reason_not_to_use(self.node.model) or _("Choose at least one term first.")
        return self.form.reason_not_to_use(self.node.model)

    def _settings_of_many(self) -> tuple[str, str, Cleaning]:
        """Model, device and cleaning for many volumes.

        Raises:
            InputError: No term is chosen, the model cannot be used, or the worker is another machine's.
        """
        if self.session.worker.remote:
            raise InputError(
                _(
                    "Many volumes are segmented by this computer only: remove the remote worker under Setup first, or "
                    "give the command satsegment batch on the other machine."
                )
            )
        missing = self.setup.missing
        if missing:
            raise InputError(_("Install what is missing first, under Setup: {names}.").format(names=", ".join(missing)))
        if self.node is None or not self.chosen.terms:
            raise InputError(_("Choose at least one term first."))
        if reason := self.form.reason_not_to_use(self.node.model):
            raise InputError(reason)
        return self.node.model, self.node.device or "auto", self._cleaning()

    def _cleaning(self) -> Cleaning:
        return Cleaning(self.node.keepLargest, self.node.fillHoles)

    def _asked_of_many(self) -> dict[str, Asked]:
        """The chosen terms by their names as the command line takes them."""
        return {clean_terms([term.name])[0]: self.asked(term) for term in self.chosen.terms}

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
        volume, output = self._exported_nodes()
        if row.center is not None:
            if volume is not None and output is not None:
                show_volume(volume)
                output.SetDisplayVisibility(True)
            jump_to(row.center)

    def _show_3d(self, on: bool) -> None:
        if self._has_segments() and self.node.inputVolume:
            with slicer.util.tryWithErrorDisplay(_("The segments could not be shown in 3D.")):
                SegmentWriter(self.node.outputSegmentation, self.node.inputVolume).show_3d(on)
        self.update()

    def _exported_nodes(self) -> tuple:
        """The volume the segmentation was made on, else the one chosen; and the segmentation."""
        output = self.node.outputSegmentation
        return (_reference(output) if output else None) or self.node.inputVolume, output

    # Changes

    def _connect(self) -> None:
        ui = self.ui
        ui.region.connect("currentNodeChanged(vtkMRMLNode*)", lambda _node: self.update())
        ui.newRegion.connect("clicked()", self._new_region)
        ui.runButton.connect("clicked()", self.run)
        ui.cancelButton.connect("clicked()", self._cancel)
        ui.undoButton.connect("clicked()", self._undo)
        ui.show3d.connect("clicked(bool)", self._show_3d)

    def _store(self, name: str, value: str) -> None:
        if self.node is not None:
            setattr(self.node, name, value)
        self.update()

    def _volume_changed(self) -> None:
        """Another scan: its own modality and segmentation, and its encoding where that is wanted."""
        self.picker.stop_hover()
        self._drop_outline()
        self._clicked = []
        if not self.session.busy:
            self.session.error = None  # it was about the other one
            self.status.show_error(None)
        node, output = self.node.inputVolume, self.node.outputSegmentation
        self.node.modality = ""
        if output is not None and node is not None and _reference(output) not in (None, node):
            self.node.outputSegmentation = None
        self._start_later()
        self._to_encode = node is not None and self.node.encodeAtOnce and not self.setup.missing
        self._encode_in_turn()

    def _encode_in_turn(self) -> None:
        if self._to_encode and not self.session.busy:
            self._to_encode = False
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
        self.form.set_models(models, self.node.model if self.node else "sat-tiny")
        if self.node is not None:
            self._start_later()
        self.update()

    def _command_changed(self) -> None:
        self.session.close()
        self.session = Session(Worker(*worker_command()), self._session_changed)
        self.setup.set_session(self.session)
        self._session_changed()

    def _show_vocabulary(self) -> None:
        model = self.form.models.get(self.node.model, {})
        key = (self.node.model, self.modality(), model.get("state"), len(model.get("terms", ())))
        if self._vocabulary_key != key:
            self._vocabulary_key = key
            self._vocabulary = self.vocabulary()
            self.picker.set_vocabulary(self._vocabulary, self.modality())
        self.form.show_told(self.form.told_modality(self.node.inputVolume), self.node.model)

    def _session_changed(self) -> None:
        if not self.session.busy:
            self._drop_empty()
        self.status.show(self.session, self._is_ready())
        self.results.show(self.session.rows)
        self.setup.show_kept()
        self.update()


def _once_after(milliseconds: int, call: Callable[[], object]):
    timer = qt.QTimer()
    timer.setSingleShot(True)
    timer.interval = milliseconds
    timer.connect("timeout()", call)
    return timer


def _id(node) -> str | None:
    return None if node is None else node.GetID()


def _reference(segmentation_node):
    """The volume a segmentation was made on; None for one that is still empty."""
    return segmentation_node.GetNodeReference(slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole())


def _chosen(what: Term | str) -> Chosen:
    return Chosen(what) if isinstance(what, str) else Chosen(what.name, what.id)
