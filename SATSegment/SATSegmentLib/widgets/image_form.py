"""Modality, model and device: what there is to choose, and what the volume tells of itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from slicer.i18n import tr as _

from ..mrml.volumes import node_modality
from .common import select


def modality_names() -> dict[str, str]:
    """What to call each modality; the empty one is guessed."""
    return {"": _("Guess"), "ct": _("CT"), "mri": _("MRI"), "pet": _("PET"), "us": _("Ultrasound")}


def state_text(state: str) -> str:
    """A model's state in words."""
    return {
        "built in": _("built in"),
        "installed": _("installed"),
        "downloaded": _("to be converted"),
        "not installed": _("not installed"),
    }[state]


class ImageForm:
    """The combo boxes `modality`, `model` and `device` of `SATSegment.ui`, and `modelNote`.

    Args:
        ui: The widgets.
        chosen: Called with "modality", "model" or "device" and the value the user chose.
    """

    def __init__(self, ui, chosen: Callable[[str, str], None]) -> None:
        self._ui = ui
        self._showing = False
        self._told: tuple = (None, None)
        self.models: dict[str, dict] = {}
        """As the worker lists them, by name."""
        for value, text in modality_names().items():
            ui.modality.addItem(text, value)
        ui.device.addItem(_("Automatic"), "auto")
        ui.device.addItem(_("CPU"), "cpu")

        def tell(name: str, combo) -> None:
            if not self._showing:
                chosen(name, combo.currentData or "")

        for name in ("modality", "model", "device"):
            combo = getattr(ui, name)
            combo.connect("currentIndexChanged(int)", lambda _row, name=name, combo=combo: tell(name, combo))

    def show(self, node) -> None:
        """Shows what a parameter node says."""
        self._showing = True
        try:
            for name in ("modality", "model", "device"):
                select(getattr(self._ui, name), getattr(node, name))
        finally:
            self._showing = False

    def set_models(self, models: Sequence[dict], chosen: str) -> None:
        """Shows other models, or other states of them; the one chosen stays."""
        self.models = {model["name"]: model for model in models}
        combo = self._ui.model
        current = combo.currentData or chosen
        self._showing = True
        try:
            combo.clear()
            for name, model in self.models.items():
                built_in = model["state"] == "built in"
                combo.addItem(model["title"] + ("" if built_in else f" ({state_text(model['state'])})"), name)
            select(combo, current)
        finally:
            self._showing = False

    def set_devices(self, devices: Sequence[dict]) -> None:
        """Adds devices that a worker has told of."""
        for device in devices:
            if self._ui.device.findData(device["id"]) < 0:
                self._ui.device.addItem(device["name"], device["id"])

    def told_modality(self, volume_node) -> str | None:
        """What a volume tells of itself; looked for once, as that may mean to go through its voxels."""
        image = volume_node.GetImageData() if volume_node is not None else None
        key = None if image is None else (volume_node.GetID(), volume_node.GetName(), image.GetMTime())
        if self._told[0] != key:
            self._told = key, None if key is None else node_modality(volume_node)
        return self._told[1]

    def show_told(self, modality: str | None, model: str) -> None:
        """Shows the modality that would be guessed, and the note on a model."""
        names = modality_names()
        text = _("Guess: {modality}").format(modality=names[modality]) if modality else names[""]
        self._ui.modality.setItemText(0, text)
        note = self.models.get(model, {}).get("note", "")
        self._ui.modelNote.text = note
        self._ui.modelNote.visible = bool(note)

    def reason_not_to_use(self, name: str) -> str:
        """Why a model cannot be used yet, or nothing."""
        if self.models and name not in self.models:  # of another computer's scene, or removed since
            return _("The model {name} is not installed: choose another one, or import it under Setup.").format(
                name=name
            )
        state = self.models[name]["state"] if self.models else ""
        if state == "not installed":
            return _("Download the model {name} first, under Setup.").format(name=name)
        if state == "downloaded":
            return _("Convert the model {name} first, under Setup.").format(name=name)
        return ""
