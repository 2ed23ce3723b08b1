"""What has to be installed before anything can be trained, and the button that installs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from SATSegmentLib.errors import SATError
from SATSegmentLib.widgets import packages

_HERE = Path(__file__).resolve().parents[2] / "Resources" / "requirements-training.txt"


def requirements() -> list[str]:
    """The packages that training needs besides torch, as pip writes them; SAT Segment's own with them."""
    return [*packages.requirements(), *packages.read_requirements(_HERE)]


class Dependencies:
    """Shown only while something is missing.

    Args:
        place: The widget that it is put into.
        changed: Called when `missing` changed.
    """

    def __init__(self, place, changed: Callable[[], None]) -> None:
        self._changed = changed
        self.missing: list[str] = []
        self._installation: packages.Installation | None = None
        self.widget = qt.QWidget()
        outer = qt.QVBoxLayout(place)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.widget)
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        self.text = qt.QLabel()
        self.text.objectName = "missingPackages"
        self.text.wordWrap = True
        layout.addWidget(self.text)
        self.button = qt.QPushButton(_("Install what is missing …"))
        self.button.objectName = "installTraining"
        self.button.connect("clicked()", self.install)
        layout.addWidget(self.button)
        self.bar = qt.QProgressBar()
        self.bar.maximum = 0
        self.bar.visible = False
        layout.addWidget(self.bar)
        self.refresh()

    @property
    def reason(self) -> str:
        """Why nothing can be trained yet; empty if it can."""
        if not self.missing:
            return ""
        return _("Install what is missing first, at the top of this panel: {names}.").format(
            names=", ".join(self.missing)
        )

    def refresh(self) -> None:
        """Looks again at what is installed; nothing is imported."""
        self.missing = packages.missing_packages(requirements())
        self.text.text = _("Missing: {names}. Nothing is installed without asking you.").format(
            names=", ".join(self.missing)
        )
        self.widget.visible = bool(self.missing)

    def install(self) -> None:
        """Installs it, after asking."""
        question = _("Install {names} into Slicer's Python? This downloads up to 2 GB and takes some minutes.")
        if self._installation is not None or not slicer.util.confirmOkCancelDisplay(
            question.format(names=", ".join(self.missing)), _("Install packages")
        ):
            return
        self.bar.visible = True
        self.button.enabled = False
        self.button.toolTip = _("The packages are being installed.")
        self._installation = packages.Installation(self._told, self._ended, requirements())
        self._installation.start(self.missing)

    def close(self) -> None:
        """The panel goes; an installation goes on."""
        if self._installation is not None:
            self._installation.detach()

    def _told(self, text: str) -> None:
        self.text.text = text

    def _ended(self, error: SATError | None) -> None:
        self._installation = None
        self.bar.visible = False
        self.button.enabled = True
        self.button.toolTip = ""
        self.refresh()
        self._changed()
        if error is not None:
            slicer.util.errorDisplay(str(error), detailedText=getattr(error, "details", ""))
