"""The few questions that the panel asks."""

from __future__ import annotations

from collections.abc import Sequence

import qt
from slicer.i18n import tr as _

MODALITIES = ("ct", "mri", "pet", "us")


def modality_names() -> dict[str, str]:
    """Modality to what the user reads."""
    return {"ct": "CT", "mri": "MRI", "pet": "PET", "us": _("Ultrasound")}


class Form:
    """A small dialog of labelled fields.

    Args:
        title: Of the window.
        text: Above the fields.
    """

    def __init__(self, title: str, text: str) -> None:
        self.dialog = qt.QDialog()
        self.dialog.setWindowTitle(title)
        layout = qt.QVBoxLayout(self.dialog)
        label = qt.QLabel(text)
        label.wordWrap = True
        label.minimumWidth = 360
        layout.addWidget(label)
        self._form = qt.QFormLayout()
        layout.addLayout(self._form)
        buttons = qt.QDialogButtonBox(qt.QDialogButtonBox.Ok | qt.QDialogButtonBox.Cancel)
        buttons.connect("accepted()", self.dialog.accept)
        buttons.connect("rejected()", self.dialog.reject)
        layout.addWidget(buttons)

    def line(self, name: str, label: str, value: str = "", hint: str = ""):
        """Adds a field for a text."""
        edit = qt.QLineEdit(value)
        edit.objectName = name
        edit.placeholderText = hint
        self._form.addRow(label, edit)
        return edit

    def choice(self, name: str, label: str, entries: Sequence[tuple[str, str]]):
        """Adds a choice of (value, text)."""
        combo = qt.QComboBox()
        combo.objectName = name
        for value, text in entries:
            combo.addItem(text, value)
        self._form.addRow(label, combo)
        return combo

    def accepted(self) -> bool:
        """Shows it; whether the user agreed."""
        return bool(self.dialog.exec_())


def folder_patterns(folder_name: str) -> tuple[str, str, str] | None:
    """Asks how images and masks of a folder are called: (image pattern, mask pattern, modality), or None."""
    form = Form(
        _("Add folder"),
        _(
            "How are images and masks called in {name}? “*” stands for the name of the case, which is the same in both."
        ).format(name=folder_name),
    )
    image = form.line("imagePattern", _("Images:"), "*_image.nii.gz")
    mask = form.line("maskPattern", _("Masks:"), "*_mask.nii.gz")
    modality = form.choice("folderModality", _("Modality:"), list(modality_names().items()))
    if not form.accepted():
        return None
    return image.text.strip(), mask.text.strip(), modality.currentData


def channel_and_modality(problem: str) -> tuple[str, str] | None:
    """Asks what a data set does not say by itself: (channel, modality), or None."""
    form = Form(_("Add data set"), problem)
    channel = form.line("channel", _("Channel:"), hint=_("number or name; empty where there is one only"))
    modality = form.choice("channelModality", _("Modality:"), [("", _("as its name says")), *modality_names().items()])
    return (channel.text.strip(), modality.currentData) if form.accepted() else None
