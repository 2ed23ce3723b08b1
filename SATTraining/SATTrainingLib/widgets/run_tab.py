"""The tab that shows a run: what it does, how well, and what can be done with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from SATSegmentLib.errors import SATError

from .. import runs
from ..launch import process
from ..launch.runs import RunInfo, delete_run, list_runs
from .background import Background
from .curves import DICE, LOSS, Curves
from .model_export import use_in_segment
from .overlay import Overlay
from .run_monitor import RunMonitor
from .run_words import facts_text, show_log, state_word
from .scores_view import ScoresView

_LIST_SECONDS, _RUN_SECONDS = 5.0, 0.5  # between looks


class RunTab:
    """The tab.

    Args:
        ui: `slicer.util.childWidgetVariables` of the loaded file.
        background: For what takes long.
        show_error: Called with what went wrong, or None.
    """

    def __init__(self, ui, background: Background, show_error: Callable[[SATError | None], None]) -> None:
        self.ui = ui
        self.node = None
        self.monitor: RunMonitor | None = None
        self.curves = Curves()
        self.overlay = Overlay(background, self.update, show_error)
        self._background, self._show_error = background, show_error
        self._infos: list[RunInfo] = []
        self._looked = self._listed = 0.0
        self._shown = False
        self._updating = False
        self.scores = ScoresView(ui, self._show_curves)
        ui.curve.addItem(_("Loss"), LOSS)
        ui.curve.addItem(_("Validation Dice"), DICE)
        ui.curve.connect("currentIndexChanged(int)", self._curve_chosen)
        ui.showCurves.connect("toggled(bool)", lambda _on: self._show_curves())
        ui.run.connect("currentIndexChanged(int)", self._chosen)
        ui.resumeButton.connect("clicked()", self.resume)
        ui.pauseButton.connect("clicked()", self.pause)
        ui.cancelRunButton.connect("clicked()", self.cancel)
        ui.deleteRun.connect("clicked()", self.delete)
        ui.logButton.connect("clicked()", lambda: show_log(self.monitor.folder))
        ui.overlayButton.connect("clicked()", self.show_overlay)
        ui.useButton.connect("clicked()", self.use)
        self.update()

    # Life

    def set_node(self, node) -> None:
        """Shows another state, or none."""
        self.node = node
        if node is None:
            return
        self._updating = True
        self.ui.curve.currentIndex = max(self.ui.curve.findData(node.curve), 0)
        self._updating = False
        self.refresh()
        self.select(Path(node.run) if node.run else None)

    def poll(self) -> None:
        """Looks at the run now and then, and at the list where it can be seen; called by the timer."""
        self.overlay.poll()
        now = time.monotonic()
        if self._shown and now - self._listed > _LIST_SECONDS:
            self.refresh()
        if self.monitor is not None and now - self._looked > _RUN_SECONDS:
            self._look()

    def set_shown(self, shown: bool) -> None:
        """Whether the tab is in front; while it is not, the layout of the views is the user's."""
        self._shown = shown
        if shown:
            self.refresh()
        self._show_curves()

    def scene_closing(self) -> None:
        """The scene's nodes are about to go; runs go on."""
        self.overlay.scene_closing()
        self.curves.scene_closing()

    def close(self) -> None:
        """Ends what was begun here; runs go on."""
        self.curves.hide()
        self.overlay.remove()
        self.overlay.close()

    # Runs

    def refresh(self) -> None:
        """Looks which runs there are."""
        self._listed = time.monotonic()
        self._infos = list_runs()
        combo = self.ui.run
        entries = [
            (str(info.folder), f"{info.folder.name}: {state_word(info.state)}", info.summary) for info in self._infos
        ]
        if [(combo.itemData(i), combo.itemText(i)) for i in range(combo.count)] != [entry[:2] for entry in entries]:
            self._updating = True
            current = combo.currentData
            combo.clear()
            for folder, text, summary in entries:
                combo.addItem(text, folder)
                combo.setItemData(combo.count - 1, summary, qt.Qt.ToolTipRole)
            combo.currentIndex = combo.findData(current) if current else -1
            self._updating = False
        gone = self.monitor is not None and not self.monitor.folder.is_dir()
        if gone or (self.monitor is None and self._infos):
            self.select(None)

    def select(self, folder: Path | None) -> None:
        """Shows a run; where it is not there, one that is going on or the newest."""
        known = [info.folder for info in self._infos]
        if folder not in known:
            folder = next((info.folder for info in self._infos if info.alive), known[0] if known else None)
        self._updating = True
        self.ui.run.currentIndex = self.ui.run.findData(str(folder)) if folder else -1
        self._updating = False
        if folder is None:
            self.monitor = None
        elif self.monitor is None or self.monitor.folder != folder:
            self.monitor = RunMonitor(folder)
            self.overlay.remove()
            self._look()
        if self.node is not None and folder is not None and self.node.run != str(folder):
            self.node.run = str(folder)
        self.update()

    def start(self, folder: Path, processes: int) -> None:
        """Starts a run that was made, and shows it."""
        self._guarded(lambda: process.start(folder, processes))
        self.refresh()
        self.select(folder)

    def resume(self) -> None:
        """Starts or resumes the run shown."""
        self._guarded(lambda: process.start(self.monitor.folder, _processes(self.monitor)))

    def pause(self) -> None:
        """Asks the run shown to save a checkpoint and end."""
        self._guarded(lambda: process.pause(self.monitor.folder))

    def cancel(self) -> None:
        """Ends the run shown, by force where it takes too long."""
        self._guarded(lambda: process.cancel(self.monitor.folder))

    def delete(self) -> None:
        """Deletes the run shown, after asking."""
        folder = self.monitor.folder
        question = _("Delete the run {name} with its checkpoints? Models made from it stay.").format(name=folder.name)
        if slicer.util.confirmOkCancelDisplay(question, _("Delete run")):
            self.overlay.remove()
            self._guarded(lambda: delete_run(folder))
            self.refresh()
            self.select(None)

    def show_overlay(self) -> None:
        """Shows what the run's best model finds in the chosen held-out case."""
        case = self.scores.case
        if case is not None:
            self._guarded(lambda: self.overlay.show(self.monitor.folder, case, self.scores.labels(case)))

    def use(self) -> None:
        """Makes a model of the run and opens SAT Segment with it."""
        use_in_segment(self.monitor.folder, self._background, self._show_error)

    # What is shown

    def update(self) -> None:
        """Shows the run, what is possible now, and why what is not is not."""
        ui, monitor = self.ui, self.monitor
        alive = monitor is not None and monitor.alive
        state = monitor.state.state if monitor else ""
        pausing = alive and (monitor.folder / runs.STOP).exists()
        ui.runStatus.text = self._status(pausing)
        ui.runFacts.text = facts_text(monitor.facts()) if monitor else ""
        ui.runFacts.visible = bool(ui.runFacts.text)
        self._show_progress(alive)
        self.scores.show(monitor)
        ui.overlayNote.text = self.overlay.text
        ui.overlayNote.visible = bool(self.overlay.text)
        ui.resumeButton.text = _("Start") if state == runs.NEW else _("Resume")
        no_run = _("Start a training in the tab Training first.") if monitor is None else ""
        no_model = no_run or ("" if monitor.has_checkpoint else _("The run has no checkpoint yet."))
        done = _("The run is done.") if state == runs.DONE else ""
        for button, why, tip in (
            (
                ui.resumeButton,
                no_run or done or (_("It is running.") if alive else ""),
                _("Go on from the last checkpoint."),
            ),
            (
                ui.pauseButton,
                no_run or self._not_running(alive, pausing),
                _("Save a checkpoint and stop; it can be resumed later."),
            ),
            (
                ui.cancelRunButton,
                no_run or ("" if alive else _("It is not running.")),
                _("Stop it, by force if it takes more than half a minute; its checkpoints stay."),
            ),
            (ui.deleteRun, no_run or (_("Cancel it first.") if alive else ""), _("Delete the run's files.")),
            (ui.logButton, no_run, _("What the training's process printed.")),
            (
                ui.overlayButton,
                no_model or ("" if self.scores.case else _("The run holds no case out.")) or self._overlay_busy(),
                _("Show its image with the reference, and what the run's best model finds in it."),
            ),
            (ui.useButton, no_model, _("Make a model of the run's best weights and open SAT Segment with it.")),
        ):
            button.enabled = not why
            button.toolTip = why or tip

    def _status(self, pausing: bool) -> str:
        if self.monitor is None:
            return _("No training yet.")
        return self.monitor.text + (" " + _("It is saving a checkpoint and will stop then.") if pausing else "")

    def _not_running(self, alive: bool, pausing: bool) -> str:
        if not alive:
            return _("It is not running.")
        return _("It is stopping already.") if pausing else ""

    def _overlay_busy(self) -> str:
        return _("A case is being brought.") if self.overlay.busy else ""

    def _show_progress(self, alive: bool) -> None:
        bar, monitor = self.ui.runProgress, self.monitor
        bar.visible = alive or (monitor is not None and monitor.state.step > 0)
        if monitor is None:
            return
        done, total = monitor.state.step, monitor.state.steps
        if monitor.state.state == runs.PREPARING and monitor.prepared:
            done, total = monitor.prepared
        elif alive and monitor.state.state == runs.PREPARING:
            done, total = 0, 0  # it is getting ready
        bar.maximum = total
        bar.value = done

    def _show_curves(self) -> None:
        if self._shown and self.ui.showCurves.checked and self.monitor is not None and self.monitor.events:
            self.curves.show(self.ui.curve.currentData, self.monitor, self.scores.chosen_terms())
        else:
            self.curves.hide()

    def _look(self) -> None:
        self._looked = time.monotonic()
        state = self.monitor.state.state
        if self.monitor.poll():
            if self.monitor.state.state != state:
                self.refresh()  # the list says it too
            self.update()
            self._show_curves()

    def _chosen(self, _index: int) -> None:
        if not self._updating and self.ui.run.currentData:
            self.select(Path(self.ui.run.currentData))
            self._show_curves()

    def _curve_chosen(self, _index: int) -> None:
        if self.node is not None and not self._updating:
            self.node.curve = self.ui.curve.currentData
        self._show_curves()

    def _guarded(self, step: Callable[[], None]) -> None:
        self._show_error(None)
        try:
            step()
        except SATError as error:
            self._show_error(error)
        if self.monitor is not None:
            self._look()
        self.update()


def _processes(monitor: RunMonitor) -> int:
    """As many as the run was last trained with."""
    return int(monitor.facts().get("world_size", 1))
