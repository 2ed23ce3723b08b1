"""The line of the tab Training that says how much is kept of prepared cases, and clears it."""

from __future__ import annotations

from collections.abc import Callable

import slicer
from slicer.i18n import tr as _

from SATSegmentLib.errors import SATError
from SATSegmentLib.widgets.sizes import size_text

from ..launch.prepared import check_idle, clear_prepared, prepared_bytes
from .background import Background, Job


class PreparedCases:
    """The line.

    Args:
        ui: The widgets `preparedText`, `clearPrepared`.
        background: Clears; nothing else is begun meanwhile.
        show_error: Called with what went wrong, or None.
    """

    def __init__(self, ui, background: Background, show_error: Callable[[SATError | None], None]) -> None:
        self._ui = ui
        self._background, self._show_error = background, show_error
        self._looking = Background()  # which nobody need wait for
        self._clearing: Job | None = None
        ui.clearPrepared.connect("clicked()", self.clear)
        self._show(0)

    def look(self) -> None:
        """Looks again how much it is."""
        self._looking.cancel()  # a look that goes on may have missed what is new
        self._looking.start(_("Looking at prepared cases"), lambda _job: prepared_bytes(), self._show)

    def poll(self) -> None:
        """Brings what was found; to be called often."""
        self._looking.poll()
        if self._clearing is not None and not self._clearing.active:  # done, failed or cancelled
            self._clearing = None
            self.look()

    def clear(self) -> None:
        """Removes what is kept, after asking."""
        self._show_error(None)
        try:
            check_idle()
        except SATError as error:
            self._show_error(error)
            return
        question = _(
            "Remove all prepared cases? The next training prepares its cases anew. Trainings that were started "
            "elsewhere, such as on the command line, must have ended."
        )
        if slicer.util.confirmOkCancelDisplay(question, _("Clear prepared cases")):
            self._clearing = self._background.start(
                _("Removing prepared cases"), lambda job: clear_prepared(job.cancelled), failed=self._show_error
            )
            self._ui.clearPrepared.enabled = False
            self._ui.clearPrepared.toolTip = _("They are being removed.")

    def close(self) -> None:
        """The panel goes."""
        self._looking.close()

    def _show(self, count: int) -> None:
        self._ui.preparedText.text = _("Prepared cases: {size} on disk.").format(size=size_text(count))
        self._ui.clearPrepared.enabled = bool(count)
        self._ui.clearPrepared.toolTip = (
            _("Remove the cases and texts that were prepared for training; they are prepared anew when needed.")
            if count
            else _("Nothing is kept.")
        )
