"""The section that makes cases of volumes and segmentations of the scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from SATSegmentLib.errors import SATError
from SATSegmentLib.mrml.volumes import node_modality

from ..cases import Case
from ..mrml import scene_cases
from ..mrml.case_files import free_id, write_case
from . import ask
from .background import Background, Job
from .training_set import meanings_of

_DATASET = "scene"  # what cases of the scene are called together


@dataclass(frozen=True)
class _Pair:
    """Nodes that a case was made of, and how they were when it was written."""

    volume: object
    segmentation: object
    state: tuple


class SceneCases:
    """The section.

    Args:
        ui: `slicer.util.childWidgetVariables` of the loaded file.
        background: For writing.
        cases: Gives the cases in the list.
        added: Called with a list of the case that was written, and what its labels mean.
        show_error: Called with what went wrong, or None.
    """

    def __init__(
        self,
        ui,
        background: Background,
        cases: Callable[[], list[Case]],
        added: Callable[[tuple], None],
        show_error: Callable[[SATError | None], None],
    ) -> None:
        self.ui = ui
        self.node = None  # the parameter node's wrapper
        self._volume = None  # the one for which a segmentation was looked for
        self._background, self._cases, self._added, self._show_error = background, cases, added, show_error
        self._pairs: dict[str, _Pair] = {}
        self._waiting: list[tuple] = []
        self._job: Job | None = None  # that writes a pair
        ui.pairModality.addItem(_("Guess"), "")
        for value, text in ask.modality_names().items():
            ui.pairModality.addItem(text, value)
        ui.addPair.connect("clicked()", self.add_pair)
        ui.addPairs.connect("clicked()", self.add_pairs)

    def set_node(self, node) -> None:
        """Shows another state, or none."""
        self.node = node
        self._volume = None if node is None else node.pairVolume

    def update(self) -> None:
        """Shows what is possible now, and why what is not is not."""
        ui, node = self.ui, self.node
        if node is None:
            return
        if node.pairVolume is not self._volume:
            self._volume_chosen()
        pair = node.pairVolume is not None and node.pairSegmentation is not None
        count = len(self._new_pairs())
        ui.addPairs.text = _("Add all pairs ({count})").format(count=count) if count else _("Add all pairs")
        for button, ready, tip, why in (
            (ui.addPair, pair, _("Write both to files and add them."), _("Choose a volume and its segmentation.")),
            (
                ui.addPairs,
                count > 0,
                _("Every segmentation of the scene that knows its volume and is not in the list."),
                _("No other segmentation of the scene was made on a volume."),
            ),
        ):
            button.enabled = ready
            button.toolTip = tip if ready else why

    def forget(self, case_id: str | None = None) -> None:
        """No longer watches the nodes of a case, of all if not given; their files stay."""
        if case_id is None:
            self._pairs.clear()
            self._waiting.clear()
        else:
            self._pairs.pop(case_id, None)

    def add_pair(self) -> None:
        """Adds the volume and the segmentation that are chosen."""
        self._add_nodes([(self.node.pairVolume, self.node.pairSegmentation)])

    def add_pairs(self) -> None:
        """Adds all pairs of the scene that are not in the list."""
        self._add_nodes(self._new_pairs())

    def _new_pairs(self) -> list[tuple]:
        known = [pair.segmentation for pair in self._pairs.values()]
        if self._is_writing:
            known += [segmentation for _volume, segmentation in self._waiting]
        return [(volume, node) for volume, node in scene_cases.pairs(slicer.mrmlScene) if node not in known]

    def _add_nodes(self, pairs: Sequence[tuple]) -> None:
        """Reads pairs of nodes as they are, one after the other, and writes them in the background."""
        self._show_error(None)
        self._waiting = [*self._waiting, *pairs] if self._is_writing else list(pairs)
        self._next()

    def _next(self) -> None:
        """Only one pair at a time is in memory twice."""
        while self._waiting and not self._is_writing:
            volume, segmentation = self._waiting.pop(0)
            try:
                self._add(volume, segmentation)
            except SATError as error:
                self._show_error(error)
        self.update()

    @property
    def _is_writing(self) -> bool:
        return self._job is not None and self._job.active

    def _add(self, volume, segmentation) -> None:
        folder = Path(self.node.caseFolder)
        read = scene_cases.read(volume, segmentation, self.ui.pairModality.currentData or None)
        case_id = next((i for i, pair in self._pairs.items() if pair.segmentation is segmentation), None)
        if case_id is None:
            case_id = free_id(volume.GetName(), {case.id for case in self._cases()}, folder)
        pair = _Pair(volume, segmentation, scene_cases.state_of(volume, segmentation))
        self._write(read, pair, folder, case_id, scene_cases.patient_of(volume))

    def _write(self, read: scene_cases.SceneCase, pair: _Pair, folder: Path, case_id: str, patient: str) -> None:
        def write(_job: Job):
            cases = [write_case(read, folder, case_id, _DATASET, patient)]
            return cases, meanings_of(cases)

        def done(found: tuple) -> None:
            self._pairs[case_id] = pair
            self._added(found)
            self._next()

        def failed(error: SATError) -> None:
            self._show_error(error)
            self._next()

        self._job = self._background.start(_("Writing {name}").format(name=case_id), write, done, failed)

    def write_changed(self) -> list[str]:
        """Writes the scene's cases again that were edited since; their names. Done when the background is idle.

        Raises:
            InputError: One of them can no longer be read.
        """
        written = []
        for case_id, pair in list(self._pairs.items()):
            case = next((case for case in self._cases() if case.id == case_id), None)
            if case is None or any(node.GetScene() is None for node in (pair.volume, pair.segmentation)):
                continue  # the files stay as they were
            state = scene_cases.state_of(pair.volume, pair.segmentation)
            if state != pair.state:
                read = scene_cases.read(pair.volume, pair.segmentation, case.modality)
                self._write(read, replace(pair, state=state), case.image.parent, case_id, case.patient)
                written.append(case_id)
        return written

    def _volume_chosen(self) -> None:
        """Offers the volume's own segmentation and tells its modality."""
        self._volume = volume = self.node.pairVolume
        for own, segmentation in scene_cases.pairs(slicer.mrmlScene):
            if own is volume:
                self.node.pairSegmentation = segmentation
                break
        told = node_modality(volume)
        names = ask.modality_names()
        self.ui.pairModality.setItemText(0, _("Guess: {modality}").format(modality=names[told]) if told else _("Guess"))
