"""A run's weights as a model of SAT Segment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from SATSegmentLib.errors import SATError
from SATSegmentLib.models.folder import is_model_name
from SATSegmentLib.models.registry import list_models, models_folder

from .ask import Form
from .background import Background, Job
from .overlay import export


def use_in_segment(folder: Path, background: Background, show_error: Callable[[SATError | None], None]) -> None:
    """Asks for a name, makes the model and opens SAT Segment with it.

    Args:
        folder: Of the run.
        background: Works on it.
        show_error: Called with what went wrong, or None.
    """
    show_error(None)
    form = Form(_("Use in SAT Segment"), _("The run's best weights become a model that SAT Segment lists."))
    field = form.line("modelName", _("Name:"), free_name(folder.name))
    note = form.line("modelNote", _("Note:"), hint=_("shown with it, such as what it is good for"))
    if not form.accepted():
        return
    name = field.text.strip()
    problem = _problem(name)
    if problem:
        show_error(SATError(problem))
        return

    make_model(folder, name, note.text.strip(), background, show_error)


def make_model(
    folder: Path, name: str, note: str, background: Background, show_error: Callable[[SATError | None], None]
) -> None:
    """Makes the model and opens SAT Segment with it.

    Args:
        folder: Of the run.
        name, note: Of the model.
        background: Works on it.
        show_error: Called with what went wrong.
    """

    def work(job: Job) -> str:
        export(folder, name, models_folder() / name, note, job.cancelled)
        return name

    background.start(_("Making the model {name}").format(name=name), work, _open, show_error)


def free_name(name: str) -> str:
    """A model's name like `name` that no model has yet."""
    taken = {model.name for model in list_models()}
    base = free = plain_name(name)
    number = 1
    while free in taken:
        number += 1
        free = f"{base}-{number}"
    return free


def plain_name(name: str) -> str:
    """A name that models and folders may have, as much like `name` as it can be."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name.strip())
    return "-".join(filter(None, plain.split("-"))) or "model"


def _problem(name: str) -> str:
    if not is_model_name(name):
        return _("A model's name is made of letters, digits, “-” and “_”; choose another one.")
    if any(model.name == name for model in list_models()):
        return _("There is a model called {name} already; choose another name.").format(name=name)
    return ""


def _open(name: str) -> None:
    """Shows SAT Segment with a model that was just made."""
    if slicer.app.moduleManager().module("SATSegment") is None:
        slicer.util.infoDisplay(_("The model {name} is ready; SAT Segment lists it.").format(name=name))
        return
    slicer.util.selectModule("SATSegment")
    widget = slicer.modules.SATSegmentWidget
    widget.panel.setup.refresh()  # it is listed now
    widget.ui.model.currentIndex = widget.ui.model.findData(name)
