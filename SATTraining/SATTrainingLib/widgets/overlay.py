"""What a run's model finds in a held-out case, drawn over what is known of it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from slicer.i18n import tr as _

from SATSegmentLib.anatomy import coded_entry
from SATSegmentLib.errors import SATError
from SATSegmentLib.widgets.asked import Asked, ImageSettings
from SATSegmentLib.widgets.session import Session
from SATSegmentLib.worker.client import Worker

from .. import runs
from ..cases import Case, DatasetLabels
from ..launch.new_run import call
from ..mrml import case_nodes
from .background import Background, Job

_MODEL = ".shown-"  # in a run's folder: its best weights as a model


class Overlay:
    """Shows one case: the reference filled, the prediction as outlines.

    The prediction is made by SAT Segment's worker with the run's best weights, so Slicer never waits.

    Args:
        background: For reading the case and writing the model.
        changed: Called when `text` has changed.
        show_error: Called with what went wrong.
    """

    def __init__(
        self, background: Background, changed: Callable[[], None], show_error: Callable[[SATError | None], None]
    ) -> None:
        self._background, self._changed, self._show_error = background, changed, show_error
        self.view = case_nodes.CaseView()
        self._session = Session(Worker(), self._session_changed)
        self._job: Job | None = None

    @property
    def busy(self) -> bool:
        """Whether a case is being brought."""
        return self._loading or self._session.busy

    @property
    def _loading(self) -> bool:
        return self._job is not None and self._job.active

    @property
    def text(self) -> str:
        """What can be seen, or what is being done."""
        if self._session.busy:
            return _("Finding the structures …")
        if self.view.shown and not self._loading:
            return _("Filled: the reference. Outlines: what the run's best model finds in {case}.").format(
                case=self.view.case_id
            )
        return ""

    def show(self, folder: Path, case: Case, labels: DatasetLabels) -> None:
        """Shows a case.

        Args:
            folder: Of the run.
            case: One that it was not trained on.
            labels: What the labels of its data set teach.
        """
        self.remove()

        def work(job: Job):
            return current_model(folder, job.cancelled), case_nodes.load(case)

        def done(found: tuple) -> None:
            model, loaded = found
            self._present(model, loaded, labels)
            self._changed()

        def failed(error: SATError) -> None:
            self._show_error(error)
            self._changed()

        self._job = self._background.start(_("Loading {name}").format(name=case.id), work, done, failed)
        self._changed()

    def poll(self) -> None:
        """Brings what the worker sent; to be called often."""
        self._session.poll()

    def remove(self) -> None:
        """Takes what is shown out of the scene."""
        if self._job is not None:
            self._job.cancel()
        self._session.forget()
        self.view.remove()

    def node_removed(self, node) -> None:
        """A node leaves the scene: nothing more is drawn where it is one of ours."""
        if self.view.has(node):
            self._session.forget()

    def scene_closing(self) -> None:
        """The scene's nodes are about to go."""
        self.remove()

    def close(self) -> None:
        """Ends the worker."""
        self._session.close()

    def _present(self, model: Path, loaded: case_nodes.LoadedCase, labels: DatasetLabels) -> None:
        case = loaded.case
        terms = {term: own for term, own in labels.terms_of(case).items() if own}
        volume = self.view.show_volume(loaded)
        masks = {term: loaded.mask(own) for term, own in terms.items()}
        self.view.show_segments(_("{case}, reference").format(case=case.id), masks, {}, outline=False)
        largest = max(masks.values(), key=lambda mask: mask.block.sum(), default=None)
        if largest is not None:
            self.view.go_to(largest)
        output = self.view.new_segmentation(_("{case}, prediction").format(case=case.id), outline=True)
        asked = [Asked(term, term, coded_entry(term)) for term in terms]
        try:
            self._session.segment(ImageSettings(volume, case.modality, str(model)), asked, output, {})
        except SATError as error:
            self._show_error(error)

    def _session_changed(self) -> None:
        if self._session.error is not None:
            self._show_error(self._session.error)
        self._changed()


def current_model(folder: Path, cancelled: Callable[[], bool] | None = None) -> Path:
    """A run's best weights as a model in its folder, written again where they are newer. Takes a while.

    Raises:
        SATError: The run has no checkpoint yet, or the model cannot be written.
    """
    checkpoint = next((folder / name for name in (runs.BEST, runs.LAST) if (folder / name).is_file()), None)
    if checkpoint is None:
        raise SATError(_("This run has no checkpoint yet; wait for its first validation."))
    # under a name of its own, for the worker keeps models and images by name
    model = folder / f"{_MODEL}{checkpoint.stat().st_mtime_ns}"
    if not model.is_dir():
        for old in folder.glob(f"{_MODEL}*"):
            shutil.rmtree(old, ignore_errors=True)
        export(folder, "shown", model, "", cancelled)
    return model


def export(
    folder: Path, name: str, target: Path | None, note: str, cancelled: Callable[[], bool] | None = None
) -> None:
    """Writes a run's best weights as a model, in a process of its own.

    Args:
        folder: Of the run.
        name, note: Of the model.
        target: Its folder, which does not exist yet; None for one among the installed models.
        cancelled: Asked now and then.

    Raises:
        InputError: The name is taken, or the run has no checkpoint.
        SATError: The model cannot be written.
    """
    command = [sys.executable, "-m", "SATTrainingLib", "export", "--run", str(folder), "--name", name, "--note", note]
    call(command + (["--output", str(target)] if target else []), cancelled)
