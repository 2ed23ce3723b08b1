"""Qt events as calls."""

from __future__ import annotations

from collections.abc import Callable

import qt


class KeyFilter(qt.QObject):
    """Asks `handle` about each key pressed; what it returns true for goes no further.

    Keep a reference: Qt does not.
    """

    def __init__(self, handle: Callable[[int], bool]) -> None:
        qt.QObject.__init__(self)
        self._handle = handle

    def eventFilter(self, watched, event) -> bool:
        """Qt's."""
        return event.type() == qt.QEvent.KeyPress and bool(self._handle(event.key()))


class LeaveFilter(qt.QObject):
    """Calls `left` when the pointer leaves the widget. Keep a reference: Qt does not."""

    def __init__(self, left: Callable[[], None]) -> None:
        qt.QObject.__init__(self)
        self._left = left

    def eventFilter(self, watched, event) -> bool:
        """Qt's."""
        if event.type() == qt.QEvent.Leave:
            self._left()
        return False
