"""How good a run is: a table of terms, and the held-out cases to look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from slicer.i18n import tr as _

from SATSegmentLib.errors import SATError

from .. import runs
from ..cases import Case, DatasetLabels, read_cases
from ..training.config import TrainingConfig
from . import tables
from .run_monitor import RunMonitor


class ScoresView:
    """The table and the choice of a case.

    Args:
        ui: `slicer.util.childWidgetVariables` of the loaded file.
        selected: Called when other terms were selected.
    """

    def __init__(self, ui, selected: Callable[[], None]) -> None:
        self.ui = ui
        self._terms: list[str] = []  # of the table's rows
        self._held_out: list[Case] = []
        self._datasets: dict[str, DatasetLabels] = {}
        self._folder: Path | None = None
        self._shown: tuple = ()
        tables.prepare(ui.scoresTable, (_("Term"), _("Before"), _("Dice"), _("NSD")))
        ui.scoresTable.connect("itemSelectionChanged()", selected)

    @property
    def case(self) -> Case | None:
        """The held-out case chosen."""
        return next((case for case in self._held_out if case.id == self.ui.overlayCase.currentData), None)

    def labels(self, case: Case) -> DatasetLabels:
        """What the labels of a case teach in this run."""
        return self._datasets.get(case.dataset, DatasetLabels())

    def chosen_terms(self) -> set[str]:
        """The terms selected in the table, such as "ct/liver"."""
        return {self._terms[row] for row in tables.selected_rows(self.ui.scoresTable) if row < len(self._terms)}

    def show(self, monitor: RunMonitor | None) -> None:
        """Shows the newest validation of a run, if it is not shown yet."""
        folder = monitor.folder if monitor is not None else None
        if folder != self._folder:
            self._folder = folder
            self._read_cases()
        state = (folder, len(monitor.validations) if monitor is not None else 0)
        if state != self._shown:
            self._shown = state
            self._show_scores(monitor)
            self._show_cases(monitor)

    def _read_cases(self) -> None:
        """None where there is no run, or its files are damaged."""
        self._held_out, self._datasets = [], {}
        if self._folder is None:
            return
        try:
            config = TrainingConfig.read(self._folder / runs.CONFIG)
            self._datasets = config.datasets
            self._held_out = [case for case in read_cases(self._folder / runs.CASES) if case.id in config.validation]
        except SATError:
            return

    def _show_scores(self, monitor: RunMonitor | None) -> None:
        rows = monitor.scores() if monitor is not None else []
        table = self.ui.scoresTable
        table.visible = bool(rows)
        chosen = self.chosen_terms()
        self._terms = [row.term for row in rows]
        blocked = table.blockSignals(True)
        table.rowCount = len(rows)
        for number, row in enumerate(rows):
            modality, _slash, term = row.term.partition("/")
            before = "" if row.before is None else f"{row.before:.2f}"
            tip = _("{term} in {modality}, mean over {count} cases").format(
                term=term, modality=modality.upper(), count=row.cases
            )
            tables.fill_row(table, number, (term, before, f"{row.dice:.2f}", f"{row.nsd:.2f}"), tip)
        tables.select_rows(table, [number for number, term in enumerate(self._terms) if term in chosen])
        table.blockSignals(blocked)

    def _show_cases(self, monitor: RunMonitor | None) -> None:
        combo = self.ui.overlayCase
        scores = monitor.case_scores() if monitor is not None else {}
        means = {case: sum(terms.values()) / len(terms) for case, terms in scores.items() if terms}
        current = combo.currentData
        combo.clear()
        for case in sorted(self._held_out, key=lambda case: means.get(case.id, 2.0)):
            combo.addItem(f"{means[case.id]:.2f}  {case.id}" if case.id in means else case.id, case.id)
        if combo.count:
            combo.currentIndex = max(combo.findData(current), 0)
