"""Properties of the harness' own widgets, which stand for C++ widgets with Q_PROPERTYs."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from PySide6 import QtCore


def stored(kind, default, changed: Callable | None = None) -> QtCore.Property:
    """A property kept in the object, of a Qt type (a class, or a name as "QStringList").

    Args:
        kind: the type in Qt's meta object.
        default: the first value.
        changed: called with the object and the new value, when it changed.
    """
    key = f"_stored_{next(_numbers)}"

    def read(self):
        value = self.__dict__.get(key, default)
        return tuple(value) if isinstance(value, list) else value

    def write(self, value):
        if value != read(self):
            self.__dict__[key] = value
            if changed:
                changed(self, value)

    return QtCore.Property(kind, read, write)


_numbers = itertools.count()
