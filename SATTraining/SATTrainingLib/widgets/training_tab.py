"""The tab that says what is trained, how, and where."""

from __future__ import annotations

from collections.abc import Callable

from slicer.i18n import tr as _

from SATSegmentLib.errors import InputError
from SATSegmentLib.models.registry import list_models
from SATSegmentLib.widgets.common import select

from ..training.presets import PRESETS, preset_for
from .run_settings import FOLD, NOTHING, SHARE, Settings, window_of, window_text
from .training_set import TrainingSet

HERE, GPUS, JOB = "here", "gpus", "job"
_NEW = "(new)"  # no name of a model
_CHOICES = ("base", "train", "preset", "holdOut", "where", "precision")


class TrainingTab:
    """The tab; its values are those of the parameter node.

    Args:
        ui: `slicer.util.childWidgetVariables` of the loaded file.
        start: Called when the training is to begin.
        installed: Whether all packages are there.
    """

    def __init__(self, ui, start: Callable[[], None], installed: Callable[[], bool]) -> None:
        self.ui = ui
        self.node = None
        self._installed = installed
        self.memories: list[float] | None = None
        """Gigabytes of each GPU of this computer; None as long as that is not known."""
        self._set = TrainingSet()
        self._updating = False
        for value, text in (
            ("all", _("All of it")),
            ("decoder", _("All but the image encoder")),
            ("queries", _("Only what reads the terms")),
        ):
            ui.train.addItem(text, value)
        for value, text in (
            (SHARE, _("a share")),
            (FOLD, _("one fold")),
            (NOTHING, _("nothing")),
        ):
            ui.holdOut.addItem(text, value)
        for value, text in (
            (HERE, _("This computer")),
            (GPUS, _("Several GPUs of it")),
            (JOB, _("A cluster: write a job folder")),
        ):
            ui.where.addItem(text, value)
        for value, text in (
            ("float32", _("32 bits")),
            ("bfloat16", _("16 bits (bfloat16)")),
            ("float16", _("16 bits (float16)")),
        ):
            ui.precision.addItem(text, value)
        for value in PRESETS:
            ui.preset.addItem(_preset_title(value), value)
        self.show_models()
        for name in _CHOICES:
            combo = getattr(ui, name)
            combo.connect("currentIndexChanged(int)", lambda _index, name=name: self._store(name))
        ui.startButton.connect("clicked()", start)

    def set_node(self, node) -> None:
        """Shows another state, or none."""
        self.node = node
        if node is None:
            return
        if not node.preset:
            self._apply_preset()
        self._updating = True
        try:
            for name in _CHOICES:
                select(getattr(self.ui, name), getattr(node, name))
        finally:
            self._updating = False

    def set_memories(self, memories: list[float]) -> None:
        """The GPUs of this computer are known now; a preset that nobody chose follows them."""
        self.memories = memories
        if self.node is not None and not self.node.presetChosen:
            self._apply_preset()
            self._updating = True
            select(self.ui.preset, self.node.preset)
            self._updating = False
        self.update(self._set, "", "")

    def show_models(self) -> None:
        """Offers the installed models, and to start from nothing."""
        combo = self.ui.base
        current = combo.currentData or (self.node.base if self.node else "sat-tiny")
        self._updating = True
        try:
            combo.clear()
            for model in list_models() if self._installed() else ():
                if model.installed:
                    combo.addItem(model.title, model.name)
            combo.addItem(_("Nothing: a new small network"), _NEW)
            select(combo, current)
        finally:
            self._updating = False

    def settings(self) -> Settings:
        """What is set."""
        node = self.node
        return Settings(
            base="" if node.base == _NEW else node.base,
            train=node.train,
            preset=node.preset,
            steps=node.steps,
            batch=node.batch,
            window=node.window,
            learning_rate=node.learningRate,
            precision=node.precision,
            hold_out=node.holdOut,
            percent=node.percent,
            folds=node.folds,
            fold=node.fold,
            processes=self.processes,
        )

    @property
    def processes(self) -> int:
        """GPUs that work together."""
        if self.node.where == JOB:
            return self.node.gpus * self.node.nodes
        return self.node.gpus if self.node.where == GPUS else 1

    def update(self, chosen: TrainingSet, busy: str, missing: str) -> None:
        """Shows what would be trained, and why it cannot be.

        Args:
            chosen: Cases and labels.
            busy: Why nothing can be started now, or empty.
            missing: What is not installed, or empty.
        """
        self._set = chosen
        if self.node is None:
            return
        ui, node = self.ui, self.node
        for widgets, wanted in (
            ((ui.percent,), node.holdOut == SHARE),
            ((ui.fold, ui.folds), node.holdOut == FOLD),
            ((ui.gpus,), node.where != HERE),
            ((ui.nodes, ui.copyData), node.where == JOB),
        ):
            for widget in widgets:
                widget.visible = wanted
        ui.fold.maximum = max(node.folds, 1)
        ui.startButton.text = _("Write job folder …") if node.where == JOB else _("Start training")
        problem = self.problem(chosen)
        ui.trainingNote.text = self._note(chosen, problem)
        reason = missing or busy or problem
        ui.startButton.enabled = not reason
        ui.startButton.toolTip = reason or (
            _("Write what a cluster needs to train this into a folder of your choice.")
            if node.where == JOB
            else _("Start it as a process of its own; Slicer can be closed meanwhile.")
        )

    def problem(self, chosen: TrainingSet) -> str:
        """Why the training cannot start; empty if it can."""
        if not chosen.cases:
            return _("Add cases first, in the tab Cases.")
        if not chosen.terms():
            return _("Name a term for a label first, in the tab Labels.")
        if not self.node.runName.strip():
            return _("Give the run a name first.")
        if self.node.where == GPUS and self.memories == []:
            return _("This computer has no GPU that training can use; choose where else to run.")
        if self.node.where == GPUS and self.memories is not None and self.node.gpus > len(self.memories):
            return _("This computer has {count} GPUs that training can use; choose no more.").format(
                count=len(self.memories)
            )
        try:
            window_of(self.node.window)
            self.settings().validation(chosen.cases)
        except InputError as error:
            return str(error)
        return ""

    def _note(self, chosen: TrainingSet, problem: str) -> str:
        """What would be trained on, then what stands in the way."""
        try:
            held = len(self.settings().validation(chosen.cases)) if chosen.cases else 0
        except InputError:
            return problem
        if not chosen.cases:
            return problem
        text = _("Cases to train on: {cases}; held out: {held}; terms: {terms}.").format(
            cases=len(chosen.cases) - held, held=held, terms=len(chosen.terms())
        )
        if self.node.preset != "cpu" and self.memories == [] and self.node.where != JOB:
            text += " " + _("No NVIDIA GPU was found on this computer.")
        return f"{text} {problem}".strip()

    def _store(self, name: str) -> None:
        if self.node is None or self._updating:
            return
        setattr(self.node, name, getattr(self.ui, name).currentData or "")
        if name == "preset":
            self.node.presetChosen = True
            self._apply_preset(self.node.preset)

    def _apply_preset(self, name: str = "") -> None:
        """Window, batch and precision of a preset, of this computer's if none is given."""
        self.node.preset = name = name or preset_for(max(self.memories) if self.memories else None)
        values = PRESETS[name].values
        self.node.batch = int(values["batch"])
        self.node.window = window_text(values["window"])
        self.node.precision = str(values["precision"])
        select(self.ui.precision, self.node.precision)


def _preset_title(name: str) -> str:
    return _("CPU only") if name == "cpu" else _("GPU with {memory}").format(memory=name)
