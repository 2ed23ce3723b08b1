"""Reads .ui files as Slicer's QUiLoader does: with the ctk and qMRML widgets, and the scene passed on to them.

Stricter than Slicer where that finds mistakes: a widget class that is not there, a signal or slot that cannot be
connected, or an enumeration written as Qt 6's Designer does raises RuntimeError.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import conventions

_widgets: dict[str, type] = {}


def register(*modules) -> None:
    """Widgets that .ui files may name: those of the given modules whose name begins with ctk or q."""
    for module in modules:
        for name, value in vars(module).items():
            if (
                isinstance(value, type)
                and issubclass(value, QtWidgets.QWidget)
                and name.startswith(("ctk", "qM", "qS"))
            ):
                _widgets[name] = value


class QUiLoader(QtUiTools.QUiLoader):
    """The loader of .ui files."""

    def load(self, device, parent=None):
        """Returns the file's widget. Raises RuntimeError where Slicer could not load all of it."""
        text = bytes(device.readAll()).decode() if isinstance(device, QtCore.QIODevice) else ""
        tree = ElementTree.fromstring(text)
        for element in tree.iter():
            if element.tag in ("enum", "set") and re.search(r"\w+::\w+::\w+", element.text or ""):
                raise RuntimeError(f"Qt 5.15 does not know '{element.text}': write it without the enumeration's name")
        connections = list(_take_connections(tree))
        buffer = QtCore.QBuffer(self)
        buffer.setData(ElementTree.tostring(tree))
        buffer.open(QtCore.QIODevice.ReadOnly)
        conventions.loading.append(self)
        try:
            widget = super().load(buffer, parent)
        finally:
            conventions.loading.pop()
        if widget is None:
            raise RuntimeError(self.errorString())
        for sender, signal, receiver, slot in connections:
            _named(widget, sender).connect(signal, getattr(_named(widget, receiver), slot.split("(")[0]))
        return widget

    def createWidget(self, class_name, parent=None, name=""):
        if class_name in _widgets:
            widget = _widgets[class_name](parent)
            widget.setObjectName(name)
            return widget
        if class_name not in self.availableWidgets():
            raise RuntimeError(f"there is no widget class '{class_name}' here; Slicer may have it, the harness has not")
        return super().createWidget(class_name, parent, name)


def _take_connections(tree: ElementTree.Element):
    """Takes the connections out of the file: Qt itself knows nothing of MRML's types."""
    for element in tree.iter("connections"):
        for connection in list(element):
            yield tuple(connection.findtext(part) for part in ("sender", "signal", "receiver", "slot"))
            element.remove(connection)


def _named(root: QtWidgets.QWidget, name: str) -> QtWidgets.QWidget:
    found = root if root.objectName == name else root.findChild(QtCore.QObject, name)
    if found is None:
        raise RuntimeError(f"a connection names '{name}', which is not in the file")
    return found
