"""The models there are: downloading, converting, importing and removing them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import qt
import slicer
from slicer.i18n import tr as _

from ..errors import SATError
from ..models.catalog import catalog
from .image_form import state_text
from .session import Session
from .sizes import size_text
from .wording import in_panel


class ModelsList:
    """The list and its buttons.

    Args:
        session: Of the panel; can be set to another one.
        changed: Called with the models after they were listed anew.
    """

    def __init__(self, session: Session, changed: Callable[[Sequence[dict]], None]) -> None:
        self.session = session
        self._changed = changed
        self.models: list[dict] = []
        """As `catalog` lists them, of this machine or of the worker's."""
        self._request: int | None = None

        self.widget = qt.QWidget()
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        self.list = qt.QTreeWidget()
        self.list.objectName = "models"
        self.list.columnCount = 3
        self.list.setHeaderLabels([_("Model"), _("State"), _("Size")])
        self.list.rootIsDecorated = False
        self.list.minimumHeight = 100
        self.list.maximumHeight = 130
        self.list.connect("itemSelectionChanged()", self._update_buttons)
        layout.addWidget(self.list)
        row = qt.QHBoxLayout()
        self.download_button = self._button(row, "downloadModel", _("Download …"), self.bring)
        self.import_button = self._button(row, "importModel", _("Import …"))
        self._import_menu = qt.QMenu(self.import_button)
        self._import_menu.addAction(_("Folder …")).connect("triggered()", self.import_folder)
        self._import_menu.addAction(_("Zip of a shared model …")).connect("triggered()", self.import_zip)
        self.import_button.setMenu(self._import_menu)
        self.remove_button = self._button(row, "removeModel", _("Remove …"), self.remove)
        self.cancel_button = self._button(row, "cancelModel", _("Cancel"), self._cancel)
        layout.addLayout(row)
        self.bar = qt.QProgressBar()
        self.bar.visible = False
        layout.addWidget(self.bar)
        self.message = qt.QLabel()
        self.message.wordWrap = True
        self.message.visible = False
        layout.addWidget(self.message)

    @property
    def busy(self) -> bool:
        """Whether the worker is asked for something."""
        return self._request is not None

    @property
    def megabytes(self) -> float:
        """That all models take on the disk."""
        return sum(model["megabytes"] or 0 for model in self.models)

    def refresh(self, usable: bool) -> None:
        """Lists the models of this machine, none where they are not `usable` yet; of another, those last told of."""
        if not self.session.worker.remote:
            self.models = catalog() if usable else []
        self._show()

    def ask(self) -> None:
        """Asks the worker for its models, unless it is asked for something."""
        if not self.busy:
            self._ask("models", {}, self._told, _("Asking …"))

    def forget(self) -> None:
        """Another worker has other models."""
        self.models, self._request = [], None
        self._end("")

    def say(self, text: str) -> None:
        """Shows a sentence below the list."""
        self.message.text = text
        self.message.visible = bool(text)

    def bring(self) -> None:
        """Downloads the selected model, after its terms of use were accepted; of one that was, converts the files."""
        model = self._selected()
        if model is None:
            return
        if model["state"] == "downloaded":
            self._ask("convert", {"model": model["name"]}, self._done, _("Converting …"))
            return
        question = _(
            "{title} ({megabytes} MB) comes from {source} under its authors' terms of use, which you accept by "
            "downloading it."
        ).format(title=model["title"], megabytes=model["download_megabytes"], source=model["terms_of_use"])
        if slicer.util.confirmOkCancelDisplay(question, _("Download model")):
            self._ask("download", {"model": model["name"]}, self._done, _("Downloading …"))

    def import_folder(self) -> None:
        """Installs a model from files carried over by hand."""
        self._import(qt.QFileDialog.getExistingDirectory(self.widget, _("Folder with a model")))

    def import_zip(self) -> None:
        """Installs a model that somebody shared as one file."""
        self._import(qt.QFileDialog.getOpenFileName(self.widget, _("Zip of a model"), "", _("Models (*.zip)")))

    def _import(self, path: str) -> None:
        if path:
            self._ask("import", {"path": path}, self._done, _("Importing …"))

    def remove(self) -> None:
        """Deletes the selected model's files, after asking."""
        model = self._selected()
        if model is None:
            return
        question = (
            _("Delete {title} from the computer that the remote worker runs on? {megabytes} MB become free there.")
            if self.session.worker.remote
            else _("Delete {title} from this computer? {megabytes} MB become free.")
        ).format(title=model["title"], megabytes=model["megabytes"])
        if slicer.util.confirmOkCancelDisplay(question, _("Remove model")):
            self._ask("remove", {"model": model["name"]}, self._done, _("Removing …"))

    def _ask(self, method: str, params: dict, done: Callable[[object], None], text: str) -> None:
        self.say(text)
        self.bar.visible = True
        self.bar.maximum = 0
        self._request = self.session.worker.request(
            method, params, on_progress=self._progress, on_done=done, on_error=self._failed
        )
        self._update_buttons()

    def _progress(self, stage: str, done: int, total: int) -> None:
        megabyte = 1 << 20  # a progress bar's numbers are 32 bits
        self.bar.maximum, self.bar.value = (total or 0) // megabyte, done // megabyte
        if stage == "convert":
            self.say(_("Converting …"))

    def _told(self, models: Sequence[dict]) -> None:
        self.models = list(models)
        self._end("")

    def _done(self, _result: dict) -> None:
        if self.session.worker.remote:
            self.ask()
        else:
            self._end(_("Done."))

    def _failed(self, error: SATError) -> None:
        self._end(in_panel(str(error)))

    def _end(self, text: str) -> None:
        self._request = None
        self.bar.visible = False
        self.say(text)
        self.refresh(usable=bool(self.models))
        self._changed(self.models)

    def _cancel(self) -> None:
        if self._request is not None:
            self.session.worker.cancel(self._request)

    def _selected(self) -> dict | None:
        name = self._selected_name()  # of a list that may be of other models by now
        return next((model for model in self.models if model["name"] == name), None)

    def _show(self) -> None:
        chosen = self._selected_name()
        self.list.clear()
        for model in self.models:
            item = qt.QTreeWidgetItem(self.list)
            megabytes = model["megabytes"] or model["download_megabytes"]
            size = size_text(megabytes * 1e6) if megabytes else ""
            for column, text in enumerate((model["title"], state_text(model["state"]), size)):
                item.setText(column, text)
            item.setToolTip(0, model["note"])
            item.setData(0, qt.Qt.UserRole, model["name"])
            if model["name"] == chosen:
                self.list.setCurrentItem(item)
        for column in range(3):
            self.list.resizeColumnToContents(column)
        self._update_buttons()

    def _selected_name(self) -> str | None:
        item = self.list.currentItem()
        return item.data(0, qt.Qt.UserRole) if item else None

    def _update_buttons(self) -> None:
        model, busy = self._selected(), self.busy
        state = model["state"] if model else ""
        self.download_button.text = _("Convert") if state == "downloaded" else _("Download …")
        there = state == "installed" or (state != "built in" and bool(model and model["megabytes"]))
        for button, ready, why in (
            (
                self.download_button,
                state in ("not installed", "downloaded"),
                _("Select a model that is not installed."),
            ),
            (
                self.import_button,
                not self.session.worker.remote,
                _("Import it on the machine that the worker runs on, with: satsegment models import FOLDER"),
            ),
            (self.remove_button, there, _("Select a model that takes space and is not built in.")),
        ):
            button.enabled = ready and not busy
            button.toolTip = "" if button.enabled else (_("Wait, or cancel first.") if busy else why)
        if state == "downloaded" and not busy:
            self.download_button.toolTip = _("All files are here; nothing is downloaded again.")
        self.cancel_button.visible = busy

    def _button(self, row, name: str, text: str, pressed: Callable[[], None] | None = None):
        button = qt.QPushButton(text)
        button.objectName = name
        if pressed:
            button.connect("clicked()", pressed)
        row.addWidget(button)
        return button
