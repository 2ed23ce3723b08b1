"""What has to be there before anything runs: packages, models, where the worker runs; and what is kept."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence

import qt
import slicer
from slicer.i18n import tr as _

from ..errors import SATError
from .models_list import ModelsList
from .packages import Installation, missing_packages
from .session import Session
from .sizes import size_text

_COMMAND = "SlicerSAT/WorkerCommand"


def worker_command() -> tuple[Sequence[str] | None, Mapping[str, str] | None, bool]:
    """Arguments of `worker.client.Worker`: the user's remote command, or this machine."""
    command = (slicer.app.userSettings().value(_COMMAND) or "").strip()
    return (_split(command), None, True) if command else (None, None, False)


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command, posix=os.name != "nt")
    except ValueError:  # it cannot be started, which the first run says
        return [command]


class SetupPanel:
    """Packages, models, what is kept, and the remote command.

    Args:
        session: Of the panel.
        models_changed: Called with the models as the worker lists them.
        command_changed: Called when another worker is to be used.
    """

    def __init__(
        self,
        session: Session,
        models_changed: Callable[[Sequence[dict]], None],
        command_changed: Callable[[], None],
    ) -> None:
        self.session = session
        self._models_changed, self._command_changed = models_changed, command_changed
        self.missing: list[str] = []
        """Packages that are missing on this machine; none where another one works."""
        self._installation: Installation | None = None

        self.widget = qt.QWidget()
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        self.packages = qt.QLabel()
        self.packages.objectName = "packages"
        self.packages.wordWrap = True
        layout.addWidget(self.packages)
        self.install_bar = qt.QProgressBar()
        self.install_bar.objectName = "installBar"
        self.install_bar.maximum = 0  # nobody tells how long it takes
        self.install_bar.visible = False
        layout.addWidget(self.install_bar)
        self.install_button = qt.QPushButton()
        self.install_button.objectName = "installPackages"
        self.install_button.connect("clicked()", self.install)
        layout.addWidget(self.install_button)

        self.models = ModelsList(session, self._listed)
        layout.addWidget(self.models.widget)

        row = qt.QHBoxLayout()
        self.kept = qt.QLabel()
        self.kept.objectName = "kept"
        self.kept.wordWrap = True
        row.addWidget(self.kept, 1)
        self.clear_button = qt.QPushButton(_("Clear …"))
        self.clear_button.objectName = "clearCache"
        self.clear_button.connect("clicked()", self.clear)
        row.addWidget(self.clear_button)
        layout.addLayout(row)

        form = qt.QFormLayout()
        self.command = qt.QLineEdit()
        self.command.objectName = "workerCommand"
        self.command.text = slicer.app.userSettings().value(_COMMAND) or ""
        self.command.placeholderText = "ssh host python -m SATSegmentLib.worker"
        self.command.toolTip = _(
            "A command that starts the worker on another machine. The image is sent there; leave it empty to stay "
            "on this machine."
        )
        self.command.connect("editingFinished()", self._store_command)
        form.addRow(_("Remote worker:"), self.command)
        layout.addLayout(form)
        self.refresh()

    def set_session(self, session: Session) -> None:
        """Another worker is used from now on."""
        self.session = self.models.session = session
        self.models.forget()
        self.refresh()

    def refresh(self) -> None:
        """Looks again at what is installed."""
        remote = self.session.worker.remote
        self.missing = [] if remote else missing_packages()
        if remote:  # it is asked only when one says so: nothing goes over the network by itself
            self.packages.text = _("The worker runs on another machine, with its own packages and models.")
            self.install_button.text = _("Ask it for its models")
        else:
            self.packages.text = (
                _("Missing: {names}. Nothing is installed without asking you.").format(names=", ".join(self.missing))
                if self.missing
                else _("All packages are installed.")
            )
            self.install_button.text = _("Install what is missing …")
        self.install_button.visible = remote or bool(self.missing)
        self.models.refresh(usable=not self.missing)
        self._listed(self.models.models)

    def install(self) -> None:
        """Installs missing packages, after asking, torch by the PyTorch extension; asks a remote worker for models."""
        if self.session.worker.remote:
            self.models.ask()
            return
        question = _("Install {names} into Slicer's Python? This downloads up to 2 GB and takes some minutes.")
        if self._installation is not None or not slicer.util.confirmOkCancelDisplay(
            question.format(names=", ".join(self.missing)), _("Install packages")
        ):
            return
        self._installation = Installation(self._installing, self._installed)
        self.install_bar.visible = True
        self.install_button.enabled = False
        self.install_button.toolTip = _("The packages are being installed.")
        self._installation.start(self.missing)

    def _installing(self, text: str) -> None:
        self.packages.text = text

    def _installed(self, error: SATError | None) -> None:
        self._installation = None
        self.install_bar.visible = False
        self.install_button.enabled = True
        self.install_button.toolTip = ""
        self.refresh()
        if error is not None:
            slicer.util.errorDisplay(str(error), detailedText=getattr(error, "details", ""))

    def clear(self) -> None:
        """Frees what is kept of encoded images, after asking."""
        if slicer.util.confirmOkCancelDisplay(
            _("Forget all encoded images? The next run on each encodes it again."), _("Clear encoded images")
        ):
            with slicer.util.tryWithErrorDisplay(_("The encoded images could not be cleared.")):
                self.session.clear_cache(self._cleared, lambda error: self.models.say(str(error)))

    def _cleared(self, count: int) -> None:
        self.models.say(_("{size} were freed.").format(size=size_text(count)))

    def show_kept(self) -> None:
        """Shows how much the models and the encoded images take."""
        kept = self.session.kept
        self.kept.text = _("Models: {models} on disk.\nEncoded images: {memory} in memory, {disk} on disk.").format(
            models=size_text(self.models.megabytes * 1e6),
            memory=size_text(kept["memory"]),
            disk=size_text(kept["disk"]),
        )
        why = "" if any(kept.values()) else _("Nothing is kept.")
        if self.session.busy:
            why = _("Wait until the run has ended, or cancel it first.")
        self.clear_button.enabled = not why
        self.clear_button.toolTip = why or _("Forget what is kept of encoded images.")

    def close(self) -> None:
        """The panel goes; an installation goes on."""
        if self._installation is not None:
            self._installation.detach()

    def _listed(self, models: Sequence[dict]) -> None:
        self.show_kept()
        self._models_changed(models)

    def _store_command(self) -> None:
        command = self.command.text.strip()
        known = slicer.app.userSettings().value(_COMMAND) or ""
        if command != known and (self.session.busy or self.models.busy):
            self.command.text = known
            self.models.say(_("Wait until the run has ended, or cancel it, before you change the worker."))
        elif command != known:
            slicer.app.userSettings().setValue(_COMMAND, command)
            self._command_changed()
