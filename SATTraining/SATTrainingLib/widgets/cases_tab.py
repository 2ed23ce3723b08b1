"""The tab with the cases: where they come from, what is wrong with them, what they look like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from SATSegmentLib.errors import InputError, SATError

from ..cases import Case, DatasetLabels, write_cases
from ..mrml import case_nodes
from . import ask, tables
from .background import Background, Job
from .scene_section import SceneCases
from .training_set import Meaning, TrainingSet, meanings_of


class CasesTab:
    """The tab.

    Args:
        ui: `slicer.util.childWidgetVariables` of the loaded file.
        background: For reading, writing and checking.
        changed: Called when the cases, or what is known of their labels, changed.
        show_error: Called with what went wrong, or None.
    """

    def __init__(
        self,
        ui,
        background: Background,
        changed: Callable[[], None],
        show_error: Callable[[SATError | None], None],
    ) -> None:
        self.ui = ui
        self.set = TrainingSet()
        self.problems: dict[str, list] = {}
        self._checked: set[str] = set()
        self._background, self._changed, self._show_error = background, changed, show_error
        self.scene = SceneCases(ui, background, lambda: self.set.cases, self._written, show_error)
        self.view = case_nodes.CaseView()
        self._loading: Job | None = None  # of the case to show
        self._icons = {
            "error": tables.standard_icon("SP_MessageBoxCritical"),
            "warning": tables.standard_icon("SP_MessageBoxWarning"),
            "fine": tables.standard_icon("SP_DialogApplyButton"),
        }
        tables.prepare(ui.casesTable, (_("Case"), _("Scan"), _("Terms"), ""))
        ui.casesTable.connect("itemSelectionChanged()", self._selected)
        ui.addFolder.connect("clicked()", self.add_folder)
        ui.addList.connect("clicked()", self.add_list)
        ui.removeCases.connect("clicked()", self.remove_selected)
        ui.checkCases.connect("clicked()", lambda: self.check())
        ui.saveList.connect("clicked()", self.save_list)
        ui.showCase.connect("toggled(bool)", lambda _on: self._show_case())

    # State

    def set_cases(self, chosen: TrainingSet) -> None:
        """Shows other cases."""
        self.set = chosen
        self.problems.clear()
        self._checked.clear()
        self.scene.forget()
        self.show()

    def scene_closing(self) -> None:
        """The scene's nodes are about to go; cases stay, for they are files."""
        self.view.remove()
        self.scene.forget()

    def show(self) -> None:
        """Fills the table."""
        table = self.ui.casesTable
        kept = set(self.selected_ids())
        blocked = table.blockSignals(True)
        table.rowCount = len(self.set.cases)
        datasets = self.set.datasets()
        for row, case in enumerate(self.set.cases):
            self._fill(row, case, datasets)
        tables.select_rows(table, [row for row, case in enumerate(self.set.cases) if case.id in kept])
        table.blockSignals(blocked)
        self.update()

    def update(self) -> None:
        """Shows what is possible now, and why what is not is not."""
        ui = self.ui
        some, selected = bool(self.set.cases), bool(self.selected_ids())
        self.scene.update()
        none = _("There are no cases yet.")
        for button, ready, tip, why in (
            (ui.removeCases, selected, _("Take the selected cases off the list; files stay."), _("Select a case.")),
            (ui.checkCases, some, _("Look for what is wrong with the cases."), none),
            (ui.saveList, some, _("Write the list to a file, for other trainings or another computer."), none),
        ):
            button.enabled = ready
            button.toolTip = tip if ready else why
        ui.casesNote.text = self._note()

    def selected_ids(self) -> list[str]:
        """Ids of the cases selected in the table."""
        rows = tables.selected_rows(self.ui.casesTable)
        return [self.set.cases[row].id for row in rows if row < len(self.set.cases)]

    def with_errors(self) -> list[str]:
        """Ids of cases that are known to have an error."""
        return [
            case.id
            for case in self.set.cases
            if any(problem.severity == "error" for problem in self.problems.get(case.id, ()))
        ]

    def _fill(self, row: int, case: Case, datasets: dict[str, DatasetLabels]) -> None:
        problems = self.problems.get(case.id, [])
        worst = next((kind for kind in ("error", "warning") if any(p.severity == kind for p in problems)), "")
        icon = self._icons[worst] if worst else (self._icons["fine"] if case.id in self._checked else None)
        tip = "\n".join(problem.text for problem in problems) or f"{case.image}\n{case.mask}"
        terms = len(datasets[case.dataset].terms_of(case))
        scan = ask.modality_names().get(case.modality, case.modality)
        values = (case.id, scan, str(terms), str(len(problems)) if problems else "")
        tables.fill_row(self.ui.casesTable, row, values, tip, icon)

    def _note(self) -> str:
        selected = self.selected_ids()
        problems = [problem.text for case_id in selected for problem in self.problems.get(case_id, [])]
        if problems:
            more = len(problems) - 1
            return problems[0] + (" " + _("({count} more in the tooltip)").format(count=more) if more else "")
        cases = self.set.cases
        if not cases:
            return _("Add scans whose structures somebody has segmented.")
        parts = [_("Cases: {count}").format(count=len(cases))]
        datasets = len({case.dataset for case in cases})
        if datasets > 1:
            parts.append(_("data sets: {count}").format(count=datasets))
        wrong = len(self.with_errors())
        look = sum(1 for case_id, found in self.problems.items() if found) - wrong
        if wrong:
            parts.append(_("with errors: {count}").format(count=wrong))
        if look > 0:
            parts.append(_("to look at: {count}").format(count=look))
        return "; ".join(parts) + "."

    # Adding

    def add_folder(self) -> None:
        """Asks for a folder and adds its cases."""
        path = qt.QFileDialog.getExistingDirectory(self.ui.casesTable, _("Folder with cases"))
        if not path:
            return
        folder = Path(path)
        if (folder / "dataset.json").is_file():
            self.add_described(folder)
            return
        patterns = ask.folder_patterns(folder.name)
        if patterns is None:
            return
        image, mask, modality = patterns

        def read(job: Job):
            from ..cases.folders import cases_of_folder

            return _with_meanings(
                cases_of_folder(folder, image, mask, modality, progress=job.progress, cancelled=job.cancelled)
            )

        self._start(_("Reading {name}").format(name=folder.name), read)

    def add_list(self) -> None:
        """Asks for a list and adds its cases."""
        path = qt.QFileDialog.getOpenFileName(
            self.ui.casesTable, _("List of cases"), "", _("Case lists (*.jsonl *.json)")
        )
        if path:
            self.add_described(Path(path))

    def add_described(self, path: Path, channel: str = "", modality: str = "") -> None:
        """Adds the cases of a list or of a data set; asks for channel and modality where they are not clear."""

        def read(_job: Job):
            from ..cases.formats import load_cases

            cases, datasets = load_cases(path, channel, modality)
            return cases, _of_datasets(cases, datasets)

        def failed(error: SATError) -> None:
            if "channel" not in str(error) or channel or modality:
                self._show_error(error)
                return
            answer = ask.channel_and_modality(str(error))
            if answer is not None:
                self.add_described(path, *answer)

        self._start(_("Reading {name}").format(name=path.name), read, failed)

    def _start(self, title: str, work, failed=None) -> None:
        self._show_error(None)
        self._background.start(title, work, self._added, failed or self._show_error)

    def _added(self, found: tuple[list[Case], dict[str, dict[str, Meaning]]]) -> None:
        new = self.set.add(*found)
        if not new:
            self._show_error(InputError(_("All of these cases are in the list already.")))
            return
        self._news([case.id for case in new])

    def _written(self, found: tuple[list[Case], dict[str, dict[str, Meaning]]]) -> None:
        """A case of the scene was written, for the first time or again."""
        cases, meanings = found
        for case in cases:
            self.set.update(case)
        self.set.add(cases, meanings)
        self._news([case.id for case in cases])

    def _news(self, ids: list[str]) -> None:
        self._checked -= set(ids)
        self.show()
        self._changed()
        self.check(ids)

    # Removing, checking, saving

    def remove_selected(self) -> None:
        """Takes the selected cases off the list."""
        self.remove(self.selected_ids())

    def remove(self, ids: Sequence[str]) -> None:
        """Takes cases off the list; their files stay."""
        self.set.remove(ids)
        for case_id in ids:
            self.problems.pop(case_id, None)
            self.scene.forget(case_id)
            self._checked.discard(case_id)
        self.ui.casesTable.clearSelection()
        self.show()
        self._changed()

    def check(self, ids: Sequence[str] | None = None) -> None:
        """Looks for what is wrong with cases, all if not given; results show as they come."""
        wanted = None if ids is None else set(ids)
        cases = [case for case in self.set.cases if wanted is None or case.id in wanted]
        everything, datasets = list(self.set.cases), self.set.datasets()

        def work(job: Job) -> list:
            from ..cases.checks import check_case, check_list

            for done, case in enumerate(cases):
                if job.cancelled():
                    return []
                job.part((case.id, check_case(case, datasets[case.dataset])))
                job.progress(done + 1, len(cases))
            return check_list(everything, cancelled=job.cancelled)

        self._background.start(_("Checking the cases"), work, self._checked_list, self._show_error, self._checked_case)

    def _checked_case(self, found: tuple[str, list]) -> None:
        case_id, problems = found
        self.problems[case_id] = problems
        self._checked.add(case_id)
        datasets = self.set.datasets()
        for row, case in enumerate(self.set.cases):
            if case.id == case_id:
                self._fill(row, case, datasets)
        self.ui.casesNote.text = self._note()

    def _checked_list(self, problems: list) -> None:
        for problem in problems:
            known = self.problems.setdefault(problem.case, [])
            if problem not in known:
                known.append(problem)
        self.show()

    def save_list(self) -> None:
        """Writes the list as JSONL."""
        path = qt.QFileDialog.getSaveFileName(
            self.ui.casesTable, _("Save list of cases"), "cases.jsonl", "JSONL (*.jsonl)"
        )
        if path:
            with slicer.util.tryWithErrorDisplay(_("The list could not be written.")):
                write_cases(Path(path), self.set.cases)

    # Looking at them

    def _selected(self) -> None:
        self.update()
        self._show_case()

    def _show_case(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
        ids = self.selected_ids()
        if not self.ui.showCase.checked or len(ids) != 1:
            self.view.remove()
            return
        case = next(case for case in self.set.cases if case.id == ids[0])
        if self.view.shown and self.view.case_id == case.id:
            return

        def show(loaded: case_nodes.LoadedCase) -> None:
            self.view.show_volume(loaded)
            masks = loaded.masks()
            terms = {name: next(iter(self.set.meaning(case.dataset, name).terms), "") for name in masks}
            self.view.show_segments(_("{case}, reference").format(case=case.id), masks, terms, outline=False)
            for mask in masks.values():
                if mask.block.size:
                    self.view.go_to(mask)
                    break

        title = _("Loading {name}").format(name=case.id)
        self._loading = self._background.start(title, lambda _job: case_nodes.load(case), show, self._show_error)


def _with_meanings(cases: list[Case]) -> tuple[list[Case], dict[str, dict[str, Meaning]]]:
    return cases, meanings_of(cases)


def _of_datasets(cases: list[Case], datasets: dict[str, DatasetLabels]) -> dict[str, dict[str, Meaning]]:
    """What a format says of its labels, and a guess for those of which it says nothing."""
    found = meanings_of(cases)
    for dataset, labels in datasets.items():
        for name, terms in labels.terms.items():
            found.setdefault(dataset, {})[name] = Meaning(terms, True)
    return found
