"""Numbers of bytes in words."""

from __future__ import annotations

from slicer.i18n import tr as _


def size_text(count: float) -> str:
    """Bytes as megabytes or gigabytes."""
    if count < 1e9:
        return _("{count:.0f} MB").format(count=count / 1e6)
    return _("{count:.1f} GB").format(count=count / 1e9)
