"""The section that segments many volumes: those of the scene, or the scans of a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ctk
import qt
from slicer.i18n import tr as _

from ..errors import InputError, SATError
from .asked import Asked
from .common import show_details
from .many_run import ManyRun
from .many_scene import scene_volumes
from .outcome import Cleaning
from .status import time_text

_ROLE = qt.Qt.UserRole
_SHOWN = 6  # failures


class ManyVolumes:
    """The section.

    Args:
        asked: Gives the terms chosen, by the names they are asked for.
        settings: Gives model, device and cleaning; raises InputError where there is no term or the model cannot be
            used.
    """

    def __init__(
        self, asked: Callable[[], dict[str, Asked]], settings: Callable[[], tuple[str, str, Cleaning]]
    ) -> None:
        self._asked, self._settings = asked, settings
        self._listed: list[tuple] = []
        self._refusal: SATError | None = None  # of the last press
        self.run: ManyRun | None = None

        self.widget = qt.QWidget()
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        self.source = qt.QComboBox()
        self.source.objectName = "manySource"
        self.source.addItem(_("Volumes of the scene"), "scene")
        self.source.addItem(_("Scans of a folder"), "folder")
        self.source.connect("currentIndexChanged(int)", lambda _index: self.update())
        form = qt.QFormLayout()
        form.addRow(_("Segment:"), self.source)
        layout.addLayout(form)
        self.list = qt.QListWidget()
        self.list.objectName = "manyVolumes"
        self.list.maximumHeight = 110
        self.list.toolTip = _("Each volume that is checked gets a new segmentation.")
        self.list.connect("itemChanged(QListWidgetItem*)", lambda _item: self._update_buttons())
        layout.addWidget(self.list)
        self.folder_place = qt.QWidget()
        folders = qt.QFormLayout(self.folder_place)
        folders.setContentsMargins(0, 0, 0, 0)
        self.folder = self._path("manyFolder", _("NIfTI, NRRD, MetaImage and folders of DICOM files are found."))
        self.output = self._path("manyOutput", _("Gets a folder a scan, a table and a page with pictures of all."))
        self.folder.connect("currentPathChanged(QString)", self._folder_changed)
        folders.addRow(_("Folder:"), self.folder)
        folders.addRow(_("Results:"), self.output)
        layout.addWidget(self.folder_place)
        row = qt.QHBoxLayout()
        self.run_button = self._button(row, "manyRun", _("Segment"), self.start)
        self.cancel_button = self._button(row, "manyCancel", _("Cancel"), self.cancel)
        self.page_button = self._button(row, "manyOverview", _("Overview"), self.open_overview)
        layout.addLayout(row)
        self.bar = qt.QProgressBar()
        self.bar.objectName = "manyProgress"
        layout.addWidget(self.bar)
        self.status = qt.QLabel()
        self.status.objectName = "manyStatus"
        self.status.wordWrap = True
        layout.addWidget(self.status)
        row = qt.QHBoxLayout()
        self.error_text = qt.QLabel()
        self.error_text.objectName = "manyError"
        self.error_text.wordWrap = True
        row.addWidget(self.error_text, 1)
        self.details = qt.QToolButton()
        self.details.text = _("Details")
        self.details.connect("clicked()", lambda: show_details(self._shown_error()))
        row.addWidget(self.details)
        layout.addLayout(row)
        layout.addStretch(1)
        self.update()

    def start(self) -> None:
        """Begins."""
        self._refusal = None
        try:
            settings = self._settings()
            asked = self._asked()
            nodes = [] if self._of_folder else self._checked()
            folder = Path(self.folder.currentPath)
            if self._of_folder and not (self.folder.currentPath and folder.is_dir()):
                raise InputError(_("Choose a folder that is there."))
            if self.run is not None:
                self.run.close()
            self.run = ManyRun(asked, *settings)
            if self._of_folder:
                self.run.start_folder(folder, Path(self.output.currentPath))
            else:
                self.run.start_scene(nodes)
        except (SATError, OSError) as error:
            self._refusal = error if isinstance(error, SATError) else SATError(str(error))
        self.update()

    def cancel(self) -> None:
        """Stops it; what is done stays."""
        if self.run is not None:
            self.run.cancel()
        self.update()

    def open_overview(self) -> None:
        """Opens the page of all in the browser."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self.run.overview)))

    def poll(self) -> None:
        """Goes on; called by the panel's timer."""
        if self.list.isVisible():
            self._show_volumes()
        run = self.run
        if run is None or not run.busy:
            return
        if run.poll():
            if not run.busy and run.overview is not None and run.of_folder:
                self.open_overview()
            self.update()
        elif run.seconds_left is not None:
            self._show_status()

    def close(self) -> None:
        """Stops it, and removes what is temporary."""
        if self.run is not None:
            self.run.close()
            self.run = None

    def update(self) -> None:
        """Shows what is possible now, and why what is not is not."""
        self.list.visible = not self._of_folder
        self.folder_place.visible = self._of_folder
        self._show_volumes()
        self._show_status()
        self._update_buttons()

    @property
    def _of_folder(self) -> bool:
        return self.source.currentData == "folder"

    def _checked(self) -> list:
        ids = [
            self.list.item(row).data(_ROLE)
            for row in range(self.list.count)
            if self.list.item(row).checkState() == qt.Qt.Checked
        ]
        return [node for node in scene_volumes() if node.GetID() in ids]

    def _show_volumes(self) -> None:
        listed = [(node.GetID(), node.GetName()) for node in scene_volumes()]
        if listed == self._listed:
            return
        known = {self.list.item(row).data(_ROLE): self.list.item(row).checkState() for row in range(self.list.count)}
        self._listed = listed
        blocked = self.list.blockSignals(True)
        self.list.clear()
        for node_id, name in listed:
            item = qt.QListWidgetItem(name, self.list)
            item.setData(_ROLE, node_id)
            item.setFlags(item.flags() | qt.Qt.ItemIsUserCheckable)
            item.setCheckState(known.get(node_id, qt.Qt.Checked))
        self.list.blockSignals(blocked)
        self._update_buttons()

    def _show_status(self) -> None:
        run = self.run
        busy = run is not None and run.busy
        self.bar.visible = busy
        if busy:
            self.bar.maximum, self.bar.value = (run.total, run.done) if run.done else (0, 0)
        text = run.stage if run is not None else ""
        if busy and run.done:
            text += " " + _("{done} of {total}").format(done=run.done, total=run.total)
            if (run.seconds_left or 0) >= 1:
                text += ", " + _("about {left} left").format(left=time_text(run.seconds_left))
        self.status.text = text
        self.status.visible = bool(text)
        error = self._shown_error()
        failed = [f"{name}: {sentence}" for name, sentence in run.failed] if run is not None else []
        if len(failed) > _SHOWN:
            failed[_SHOWN:] = [_("and {count} more").format(count=len(failed) - _SHOWN)]
        self.error_text.text = "\n".join([*([str(error)] if error else []), *failed])
        self.error_text.visible = bool(self.error_text.text)
        self.details.visible = bool(getattr(error, "details", ""))

    def _shown_error(self) -> SATError | None:
        return self._refusal or (self.run.error if self.run is not None else None)

    def _update_buttons(self) -> None:
        reason = self._reason()
        busy = self.run is not None and self.run.busy
        count = 0 if self._of_folder else len(self._checked())
        self.run_button.text = _("Segment {count} volumes").format(count=count) if count > 1 else _("Segment")
        for button, ready, tip in (
            (self.run_button, not reason, reason or _("Segment the terms chosen above in all of them.")),
            (self.cancel_button, busy, "" if busy else _("Nothing is running.")),
            (
                self.page_button,
                self.run is not None and self.run.overview is not None,
                _("A page with pictures and volumes of all, the oddest first."),
            ),
        ):
            button.enabled = ready
            button.toolTip = tip

    def _reason(self) -> str:
        """Why it cannot begin; empty where it can."""
        if self.run is not None and self.run.busy:
            return _("A run is going on.")
        try:
            self._settings()
        except InputError as error:
            return str(error)
        if self._of_folder:
            return "" if self.folder.currentPath and self.output.currentPath else _("Choose a folder first.")
        return "" if self._checked() else _("Check at least one volume.")

    def _folder_changed(self, path: str) -> None:
        if path:
            self.output.currentPath = f"{path.rstrip('/')}-SAT"
        self._refusal = None  # it was about the other one
        self.update()

    def _path(self, name: str, tip: str):
        edit = ctk.ctkPathLineEdit()
        edit.objectName = name
        edit.filters = ctk.ctkPathLineEdit.Dirs | ctk.ctkPathLineEdit.NoDotDot
        edit.showHistoryButton = False
        edit.toolTip = tip
        edit.connect("currentPathChanged(QString)", lambda _path: self._update_buttons())
        return edit

    def _button(self, row, name: str, text: str, pressed: Callable[[], None]):
        button = qt.QPushButton(text)
        button.objectName = name
        button.connect("clicked()", pressed)
        row.addWidget(button)
        return button
