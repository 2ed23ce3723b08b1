"""The panel of SATTraining: its tabs, wired to one state."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from SATSegmentLib.errors import InputError, SATError
from SATSegmentLib.models.registry import data_folder
from SATSegmentLib.widgets.common import show_details
from SATSegmentLib.widgets.search_index import warm_up

from ..launch.job import write_job
from ..launch.new_run import make_run
from .background import Background, Job
from .cases_tab import CasesTab
from .dependencies import Dependencies
from .labels_tab import LabelsTab
from .machine import gpu_memories
from .model_export import plain_name
from .prepared import PreparedCases
from .run_tab import RunTab
from .training_set import TrainingSet
from .training_tab import JOB, TrainingTab

POLL_MS = 50
CASES, LABELS, TRAINING, RUN = range(4)
_SECONDS_BETWEEN_LOOKS = 1.0  # at the scene, for new pairs


class Panel:
    """Wires the widgets of `SATTraining.ui`.

    Args:
        ui: `slicer.util.childWidgetVariables` of the loaded file.
    """

    def __init__(self, ui) -> None:
        self.ui = ui
        self.node = None  # the parameter node's wrapper
        self.set = TrainingSet()
        self._error: SATError | None = None
        self._storing = self._shown = self._put_back = False
        self.background = Background(self._show_work)
        self.dependencies = Dependencies(ui.setupPlace, self._installed)
        self.cases = CasesTab(ui, self.background, self._cases_changed, self.show_error)
        self.labels = LabelsTab(ui, self._labels_changed)
        self.training = TrainingTab(ui, self.start, lambda: not self.dependencies.missing)
        self.prepared = PreparedCases(ui, self.background, self.show_error)
        self.runs = RunTab(ui, self.background, self.show_error)
        ui.workCancel.connect("clicked()", self.background.cancel)
        ui.errorDetails.connect("clicked()", self._details)
        ui.tabs.connect("currentChanged(int)", self._tab_chosen)
        self._timer = qt.QTimer()
        self._timer.interval = POLL_MS
        self._timer.connect("timeout()", self.poll)
        self._timer.start()
        self._scene_timer = qt.QTimer()
        self._scene_timer.interval = int(_SECONDS_BETWEEN_LOOKS * 1000)
        self._scene_timer.connect("timeout()", self._look_at_scene)
        self._scene_timer.start()
        # the search takes a moment to make, for which neither opening nor the first letter need wait
        self._later = qt.QTimer()
        self._later.setSingleShot(True)
        self._later.interval = 200
        self._later.connect("timeout()", self._warm_up)
        self._later.start()
        self.show_error(None)
        self._show_work()

    # Life

    def set_node(self, node) -> None:
        """Shows another state (the wrapper of a parameter node), or none.

        A scene that says nothing of cases keeps those of the scene before: they are files.
        """
        self.node = node
        self.cases.scene.set_node(node)
        if node is not None:
            if node.cases:
                self._read_set()
            else:
                self._store_set()
            if node.caseFolder == Path() and not self.dependencies.missing:
                node.caseFolder = data_folder() / "cases"
            self.cases.set_cases(self.set)
            self.labels.show(self.set)
        self.training.set_node(node)
        if not self.dependencies.missing:
            self.runs.set_node(node)
        self.update()

    def poll(self) -> None:
        """Brings what threads and processes have to say; called by the timer."""
        self.background.poll()
        self.prepared.poll()
        if self._put_back and not slicer.mrmlScene.GetStates():
            self._put_back = False
            self._show_runs()
        if not self.dependencies.missing:
            self.runs.poll()

    def enter(self) -> None:
        """The module is shown."""
        self._shown = True
        self._show_training()
        self._show_runs()

    def leave(self) -> None:
        """Another module is shown."""
        self._shown = False
        self._show_runs()

    def scene_closing(self) -> None:
        """The scene's nodes are about to go; cases and runs stay."""
        self.put_views_back()
        self.cases.scene_closing()
        self.runs.scene_closing()

    def put_views_back(self) -> None:
        """The layout of the views is the user's until the scene is at rest again."""
        self._put_back = True
        if not self.dependencies.missing:
            self.runs.set_shown(False)

    def node_removed(self, node) -> None:
        """A node leaves the scene: what is drawn into it stops."""
        self.runs.overlay.node_removed(node)

    def close(self) -> None:
        """Stops threads and timers; runs go on."""
        for timer in (self._timer, self._scene_timer, self._later):
            timer.stop()
        self.background.close()
        self.prepared.close()
        self.cases.scene_closing()
        self.runs.close()
        self.dependencies.close()

    # State

    def update(self) -> None:
        """Shows what is possible now, and why what is not is not."""
        if self.node is None or self._storing:
            return
        busy = _("Wait until it is done: {work}.").format(work=self.background.title) if self.background.title else ""
        self.training.update(self.set, busy, self.dependencies.reason)
        self.cases.update()

    def show_error(self, error: SATError | None) -> None:
        """Shows what went wrong, or that nothing did."""
        self._error = error
        self.ui.errorText.text = str(error) if error else ""
        self.ui.errorText.visible = error is not None
        self.ui.errorDetails.visible = bool(getattr(error, "details", ""))

    def _read_set(self) -> None:
        if (self.node.cases, self.node.meanings) == (self.set.cases_text(), self.set.meanings_text()):
            return
        try:
            self.set = TrainingSet.from_texts(self.node.cases, self.node.meanings)
        except InputError as error:
            self.set = TrainingSet()
            self.show_error(error)

    def _store_set(self) -> None:
        if self.node is None:
            return
        self._storing = True
        try:
            self.node.cases = self.set.cases_text()
            self.node.meanings = self.set.meanings_text()
        finally:
            self._storing = False

    def _cases_changed(self) -> None:
        self._store_set()
        self.labels.show(self.set)
        self.update()

    def _labels_changed(self) -> None:
        self._store_set()
        self.cases.show()
        self.update()

    def _installed(self) -> None:
        self.set_node(self.node)
        self._show_training()

    # Starting

    def start(self) -> None:
        """Starts the training, or writes a job folder; the scene's cases are written anew first where they changed."""
        self.show_error(None)
        wrong = self.cases.with_errors()
        if wrong and not self._leave_out(wrong):
            return
        target = self._job_folder() if self.node.where == JOB else None
        if self.node.where == JOB and target is None:
            return
        try:
            self.cases.scene.write_changed()
        except SATError as error:
            self.show_error(error)
            return
        settings, title, processes = self.training.settings(), self.node.runName.strip(), self.training.processes
        gpus, nodes, copy = self.node.gpus, self.node.nodes, self.node.copyData

        def make(job: Job) -> Path:
            config = settings.config(self.set, Path("cases.jsonl"))
            if target is None:
                return make_run(config, self.set.cases, title, job.cancelled)
            write_job(
                target,
                config,
                self.set.cases,
                gpus,
                nodes,
                copy_data=copy,
                progress=job.progress,
                cancelled=job.cancelled,
            )
            return target

        def made(folder: Path) -> None:
            if target is None:
                self.runs.start(folder, processes)
                self.ui.tabs.currentIndex = RUN
            else:
                slicer.util.infoDisplay(
                    _("The job is in {folder}. How to start it is said in its README.txt.").format(folder=folder)
                )

        doing = _("Making the run") if target is None else _("Writing the job folder")
        self.background.start(doing, make, made, self.show_error)

    def _leave_out(self, wrong: list[str]) -> bool:
        shown = ", ".join(wrong[:4]) + (" …" if len(wrong) > 4 else "")
        question = _("{count} cases have errors ({names}). Take them off the list and train on the others?").format(
            count=len(wrong), names=shown
        )
        if not slicer.util.confirmOkCancelDisplay(question, _("Cases with errors")):
            return False
        self.cases.remove(wrong)
        return not self._reason_to_stop()

    def _reason_to_stop(self) -> str:
        reason = self.training.problem(self.set)
        if reason:
            self.show_error(InputError(reason))
        return reason

    def _job_folder(self) -> Path | None:
        path = qt.QFileDialog.getExistingDirectory(self.ui.startButton, _("Where the job folder is to be made"))
        return Path(path) / plain_name(self.node.runName) if path else None

    # What is shown

    def _show_work(self) -> None:
        ui, background = self.ui, self.background
        busy = bool(background.title)
        for widget in (ui.workProgress, ui.workCancel, ui.workText):
            widget.visible = busy
        if busy:
            done, total = background.progress or (0, 0)
            ui.workProgress.maximum = total
            ui.workProgress.value = done
            ui.workText.text = background.title + (f", {done}/{total}" if total else " …")
        self.update()

    def _tab_chosen(self, index: int) -> None:
        self.show_error(None)
        self._show_runs()
        if index == LABELS:
            self.labels.show(self.set)
        elif index == TRAINING:
            self._show_training()
        self.update()

    def _show_training(self) -> None:
        self.training.show_models()
        if not self.dependencies.missing:
            self.prepared.look()

    def _show_runs(self) -> None:
        for view in (self.cases.view, self.runs.overlay.view):
            view.hide_others(self._shown)  # another module is there to work on them
        if not self.dependencies.missing:
            self.runs.set_shown(self._shown and self.ui.tabs.currentIndex == RUN)

    def _look_at_scene(self) -> None:
        if self._shown and self.ui.tabs.currentIndex == CASES:
            self.cases.scene.update()

    def _details(self) -> None:
        show_details(self._error)

    def _warm_up(self) -> None:
        """Makes the search, and asks for GPUs."""
        warm_up()
        self.background.start(_("Looking for GPUs"), lambda _job: gpu_memories(), self.training.set_memories)
