"""What has to be there before anything runs: packages, models, where the worker runs."""

from __future__ import annotations

import importlib.metadata
import os
import shlex
from collections.abc import Callable, Mapping, Sequence

import qt
import slicer
from slicer.i18n import tr as _

from ..errors import InputError
from ..models.catalog import catalog
from ..resources import resource
from .session import Session

_COMMAND = "SlicerSAT/WorkerCommand"
TORCH = ">=2.5"  # installed through the PyTorch extension


def requirements() -> list[str]:
    """The packages that the worker needs besides torch, as pip writes them."""
    lines = resource("requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def missing_packages() -> list[str]:
    """Names of the packages that are not installed, or too old; nothing is imported."""
    return [line.split(">")[0].split("=")[0] for line in (f"torch{TORCH}", *requirements()) if not _installed(line)]


def _installed(line: str) -> bool:
    from packaging.requirements import Requirement

    wanted = Requirement(line)
    try:
        return wanted.specifier.contains(importlib.metadata.version(wanted.name), prereleases=True)
    except importlib.metadata.PackageNotFoundError:
        return False


def install_torch() -> None:
    """Installs PyTorch, for the GPU where there is one, by the PyTorch extension.

    Raises:
        InputError: The extension is not installed.
    """
    try:
        import PyTorchUtils
    except ModuleNotFoundError:
        raise InputError(
            _("Install the extension PyTorch in the Extensions Manager and restart Slicer; then install here again.")
        ) from None
    PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=False, torchVersionRequirement=TORCH)


def install_packages(lines: Sequence[str]) -> None:
    """Installs packages into Slicer's Python."""
    if hasattr(slicer, "packaging"):
        from packaging.requirements import Requirement

        slicer.packaging.pip_ensure([Requirement(line) for line in lines], prompt_install=False, requester="SATSegment")
    else:  # before Slicer 5.11
        slicer.util.pip_install(" ".join(f'"{line}"' for line in lines))


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
    """Packages, models and the remote command.

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
        self._models: list[dict] = []
        self._request: int | None = None

        self.widget = qt.QWidget()
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        self.packages = qt.QLabel()
        self.packages.objectName = "packages"
        self.packages.wordWrap = True
        layout.addWidget(self.packages)
        self.install_button = qt.QPushButton(_("Install what is missing …"))
        self.install_button.objectName = "installPackages"
        self.install_button.connect("clicked()", self.install)
        layout.addWidget(self.install_button)

        self.models = qt.QTreeWidget()
        self.models.objectName = "models"
        self.models.columnCount = 3
        self.models.setHeaderLabels([_("Model"), _("State"), _("Size")])
        self.models.rootIsDecorated = False
        self.models.minimumHeight = 100
        self.models.connect("itemSelectionChanged()", self._update_buttons)
        layout.addWidget(self.models)
        row = qt.QHBoxLayout()
        self.download_button = self._button(row, "downloadModel", _("Download …"), self.download)
        self.import_button = self._button(row, "importModel", _("Import folder …"), self.import_folder)
        self.remove_button = self._button(row, "removeModel", _("Remove …"), self.remove)
        self.cancel_button = self._button(row, "cancelModel", _("Cancel"), self._cancel)
        layout.addLayout(row)
        self.bar = qt.QProgressBar()
        self.bar.visible = False
        layout.addWidget(self.bar)
        self.message = qt.QLabel()
        self.message.wordWrap = True
        layout.addWidget(self.message)

        form = qt.QFormLayout()
        self.command = qt.QLineEdit()
        self.command.objectName = "workerCommand"
        self.command.text = slicer.app.userSettings().value(_COMMAND) or ""
        self.command.placeholderText = _("ssh host python -m SATSegmentLib.worker")
        self.command.toolTip = _(
            "A command that starts the worker on another machine. The image is sent there; leave it empty to stay "
            "on this machine."
        )
        self.command.connect("editingFinished()", self._store_command)
        form.addRow(_("Remote worker:"), self.command)
        layout.addLayout(form)
        self.refresh()

    def refresh(self) -> None:
        """Looks again at what is installed, and asks the worker for its models."""
        if self.session.worker.remote:
            self._show_remote()
            return
        self.missing = missing = missing_packages()
        self.packages.text = (
            _("Missing: {names}. Nothing is installed without asking you.").format(names=", ".join(missing))
            if missing
            else _("All packages are installed.")
        )
        self.install_button.visible = bool(missing)
        self._models = [] if missing else catalog()
        self._show_models()
        self._models_changed(self._models)

    def _show_remote(self) -> None:
        """The other machine is asked only when one says so: nothing goes over the network by itself."""
        self.missing = []
        self.packages.text = _("The worker runs on another machine, with its own packages and models.")
        self.install_button.text = _("Ask it for its models")
        self.install_button.visible = True
        self._show_models()

    def _told(self, models: Sequence[dict]) -> None:
        self._models = list(models)
        self._end("")
        self._models_changed(self._models)

    def install(self) -> None:
        """Installs missing packages, after asking, torch by the PyTorch extension; asks a remote worker for models."""
        if self.session.worker.remote:
            self._ask("models", {}, self._told)
            return
        missing = self.missing
        if not missing or not slicer.util.confirmOkCancelDisplay(
            _("Install {names} into Slicer's Python? This downloads up to 2 GB and takes some minutes.").format(
                names=", ".join(missing)
            ),
            _("Install packages"),
        ):
            return
        with slicer.util.tryWithErrorDisplay(_("The packages could not be installed.")):
            if "torch" in missing:
                install_torch()
            install_packages(requirements())
        self.refresh()

    def download(self) -> None:
        """Downloads the selected model, after its terms of use were accepted."""
        model = self._selected()
        if model and slicer.util.confirmOkCancelDisplay(
            _(
                "{title} ({megabytes} MB) comes from {source} under its authors' terms of use, which you accept by "
                "downloading it."
            ).format(title=model["title"], megabytes=model["download_megabytes"], source=model["terms_of_use"]),
            _("Download model"),
        ):
            self._ask("download", {"model": model["name"]})

    def import_folder(self) -> None:
        """Installs a model from files carried over by hand."""
        path = qt.QFileDialog.getExistingDirectory(self.widget, _("Folder with a model"))
        if path:
            self._ask("import", {"path": path})

    def remove(self) -> None:
        """Deletes the selected model's files, after asking."""
        model = self._selected()
        if model and slicer.util.confirmOkCancelDisplay(
            _("Delete {title} from this computer? {megabytes} MB become free.").format(**model), _("Remove model")
        ):
            self._ask("remove", {"model": model["name"]})

    def _ask(self, method: str, params: dict, done: Callable[[object], None] | None = None) -> None:
        self.message.text = ""
        self.bar.visible = True
        self.bar.maximum = 0
        self._request = self.session.worker.request(
            method, params, on_progress=self._progress, on_done=done or self._done, on_error=self._failed
        )
        self._update_buttons()

    def _progress(self, stage: str, done: int, total: int) -> None:
        megabyte = 1 << 20  # a progress bar's numbers are 32 bits
        self.bar.maximum, self.bar.value = (total or 0) // megabyte, done // megabyte

    def _done(self, result: dict) -> None:
        self._end(_("Done."))

    def _failed(self, error) -> None:
        self._end(str(error))

    def _end(self, text: str) -> None:
        self._request = None
        self.bar.visible = False
        self.message.text = text
        self.refresh()

    def _cancel(self) -> None:
        if self._request is not None:
            self.session.worker.cancel(self._request)

    def _selected(self) -> dict | None:
        item = self.models.currentItem()
        return self._models[self.models.indexOfTopLevelItem(item)] if item else None

    def _show_models(self) -> None:
        self.models.clear()
        for model in self._models:
            item = qt.QTreeWidgetItem(self.models)
            size = model["megabytes"] or model["download_megabytes"]
            for column, text in enumerate((model["title"], model["state"], f"{size:.0f} MB" if size else "")):
                item.setText(column, text)
            item.setToolTip(0, model["note"])
        for column in range(3):
            self.models.resizeColumnToContents(column)
        self._update_buttons()

    def _update_buttons(self) -> None:
        model, busy = self._selected(), self._request is not None
        can_download = model is not None and model["state"] == "not installed"
        can_remove = model is not None and model["state"] == "installed"
        for button, ready, why in (
            (self.download_button, can_download, _("Select a model that is not installed.")),
            (self.import_button, True, ""),
            (self.remove_button, can_remove, _("Select an installed model that is not built in.")),
        ):
            button.enabled = ready and not busy
            button.toolTip = "" if button.enabled else (_("Wait, or cancel first.") if busy else why)
        self.cancel_button.visible = busy

    def _button(self, row, name: str, text: str, pressed: Callable[[], None]):
        button = qt.QPushButton(text)
        button.objectName = name
        button.connect("clicked()", pressed)
        row.addWidget(button)
        return button

    def _store_command(self) -> None:
        command = self.command.text.strip()
        known = slicer.app.userSettings().value(_COMMAND) or ""
        if command != known and (self.session.busy or self._request is not None):
            self.command.text = known
            self.message.text = _("Wait until the run has ended, or cancel it, before you change the worker.")
        elif command != known:
            slicer.app.userSettings().setValue(_COMMAND, command)
            self._command_changed()
