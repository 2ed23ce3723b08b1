"""Slicer's translation of what users read."""

from __future__ import annotations

try:
    from slicer.i18n import tr
except ImportError:  # slicer-core, on which scripts run, has none

    def tr(text: str) -> str:
        """The text as it is."""
        return text


__all__ = ["tr"]
