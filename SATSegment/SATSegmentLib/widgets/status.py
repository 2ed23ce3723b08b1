"""The line under the buttons: how far a run is, what came of it, what went wrong."""

from __future__ import annotations

from slicer.i18n import tr as _

from .common import show_details
from .session import ENCODING, IDLE, SEGMENTING, STARTING, Session


class Status:
    """Progress bar, words and errors of `SATSegment.ui`.

    Args:
        ui: The widgets `progress`, `status`, `errorText`, `errorDetails`.
    """

    def __init__(self, ui) -> None:
        self._ui = ui
        self._error: Exception | None = None
        self._stages = {
            STARTING: _("Starting the model …"),
            ENCODING: _("Encoding the image …"),
            SEGMENTING: _("Segmenting …"),
        }
        ui.errorDetails.connect("clicked()", self._details)

    def show(self, session: Session, ready: bool) -> None:
        """Shows where a session is.

        Args:
            session: The panel's.
            ready: Whether the image chosen is encoded.
        """
        ui = self._ui
        ui.progress.visible = session.busy
        if session.busy:
            done, total = session.progress or (0, 0)
            ui.progress.maximum, ui.progress.value = total, done
            left = session.seconds_left
            text = self._stages[session.stage]
            ui.status.text = f"{text} {_('about {left} left').format(left=time_text(left))}" if left else text
        elif session.error:
            ui.status.text = ""
        else:
            ui.status.text = " ".join(filter(None, (_summary(session, ready), session.warning)))
        self.show_error(session.error if session.stage == IDLE else None)

    def show_error(self, error: Exception | None) -> None:
        """Shows an error in words, or none."""
        ui = self._ui
        self._error = error
        ui.errorText.text = str(error) if error else ""
        ui.errorText.visible = error is not None
        ui.errorDetails.visible = bool(getattr(error, "details", ""))

    def _details(self) -> None:
        show_details(self._error)


def _summary(session: Session, ready: bool) -> str:
    if not session.rows:
        return _("The image is encoded: further terms take a moment only.") if ready else ""
    found = sum(bool(row.voxels) for row in session.rows)
    parts = [_("{found} of {count} terms found.").format(found=found, count=len(session.rows))]
    if "encode" in session.seconds:
        parts.append(_("{seconds:.1f} s for the image.").format(seconds=session.seconds["encode"]))
    if "segment" in session.seconds:
        parts.append(_("{seconds:.1f} s for the terms.").format(seconds=session.seconds["segment"]))
    return " ".join(parts)


def time_text(seconds: float) -> str:
    """A time in words, with its unit."""
    if seconds < 90:
        return _("{seconds:.0f} s").format(seconds=seconds)
    return _("{minutes:.0f} min").format(minutes=seconds / 60)
