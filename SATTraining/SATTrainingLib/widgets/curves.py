"""The curves of a run in Slicer's plot view."""

from __future__ import annotations

from slicer.i18n import tr as _

from ..mrml.plots import Chart, PlotView
from .run_monitor import RunMonitor

_MOST_TERMS = 12  # that can be told apart

LOSS, DICE = "loss", "dice"


class Curves:
    """Two charts, of which one is shown: the loss, and the validation Dice of terms."""

    def __init__(self) -> None:
        self._charts = {
            LOSS: Chart(_("Loss"), _("loss"), _("step")),
            DICE: Chart(_("Validation Dice"), _("Dice"), _("step"), points=True),
        }
        self._view = PlotView()
        self._shown = ""

    def show(self, which: str, monitor: RunMonitor, terms: set[str]) -> None:
        """Shows a run's curves, and changes them in place afterwards.

        Args:
            which: LOSS or DICE.
            monitor: Of the run.
            terms: Whose Dice is drawn besides the mean, such as "ct/liver"; the worst ones if none is named.
        """
        chart = self._charts[which]
        if which == LOSS:
            changed = chart.show(monitor.losses())
        else:
            changed = chart.show(monitor.dice(terms or {row.term for row in monitor.scores()[:_MOST_TERMS]}))
        if self._shown != which:
            self._view.show(chart)
            self._shown = which
            changed = True
        if changed:
            self._view.fit(chart)

    def hide(self) -> None:
        """Takes them out of view and scene; the layout is as it was."""
        self._view.hide()
        self._shown = ""
        for chart in self._charts.values():
            chart.remove()

    def scene_closing(self) -> None:
        """The scene's nodes are about to go; what is shown next is shown anew."""
        for chart in self._charts.values():
            chart.remove()
        self._shown = ""
