"""Which widgets can show which types of parameters, and how they are read and written.

The widget's class counts, not its parents: a class derived from one of these can not be connected, as in Slicer.
"""

from __future__ import annotations

import abc
import enum
import types
import typing

import slicer
from PySide6 import QtGui, QtWidgets

from .. import ctk as ctk_widgets
from ..node_combo_box import qMRMLNodeComboBox
from .annotations import (
    Choice,
    Decimals,
    Maximum,
    Minimum,
    SingleStep,
    WithinRange,
    findFirstAnnotation,
    splitAnnotations,
    unannotatedType,
)
from .kinds import PATHS


class GuiConnector(abc.ABC):
    """A widget as a value: read, written, and telling when it changed."""

    def __init__(self):
        self._callback = None

    def onChanged(self, callback) -> None:
        """Calls the function when the user changed the widget; None stops that."""
        self._callback = callback
        self._disconnect() if callback is None else self._connect()

    def changed(self) -> None:
        """Tells that the widget changed."""
        if self._callback:
            self._callback()

    @abc.abstractmethod
    def _connect(self) -> None: ...

    @abc.abstractmethod
    def _disconnect(self) -> None: ...

    @abc.abstractmethod
    def widget(self):
        """The widget."""

    @abc.abstractmethod
    def read(self):
        """The widget's value."""

    @abc.abstractmethod
    def write(self, value) -> None:
        """Shows a value."""


_connectors: list[type] = []


def parameterNodeGuiConnector(cls=None):
    """Class decorator: adds a connector of one's own, with static methods `canRepresent` and `create`."""

    def register(connector: type) -> type:
        _connectors.append(connector)
        return connector

    return register if cls is None else register(cls)


def createGuiConnector(widget, kind) -> GuiConnector:
    """The connector of a widget for a type. Raises RuntimeError where Slicer has none for the two."""
    for connector in _connectors:
        if connector.canRepresent(widget, kind):
            return connector.create(widget, kind)
    plain, annotations = splitAnnotations(kind)
    for test, make in BUILT_IN:
        if test(widget, plain):
            return make(widget, plain, annotations)
    raise RuntimeError(f"Unable to create GUI connector from datatype '{kind}' to widget type '{type(widget)}'")


class _Simple(GuiConnector):
    """A connector of a widget with a signal, a read and a write function."""

    def __init__(self, widget, signal: str, read, write):
        super().__init__()
        self._widget = widget
        self._signal = signal
        self.read = read
        self.write = write

    # replaced by the constructor
    def read(self): ...

    def write(self, value) -> None: ...

    def _connect(self) -> None:
        if self._signal:
            getattr(self._widget, self._signal).connect(self.changed)

    def _disconnect(self) -> None:
        if self._signal:
            getattr(self._widget, self._signal).disconnect(self.changed)

    def widget(self):
        return self._widget


def _attribute(signal: str, name: str, only_changes: bool = False):
    """A connector that reads and writes a property."""

    def make(widget, _kind, _annotations) -> GuiConnector:
        def write(value) -> None:
            if not only_changes or value != getattr(widget, name):
                setattr(widget, name, value)

        return _Simple(widget, signal, lambda: getattr(widget, name), write)

    return make


def _button(widget, kind, annotations) -> GuiConnector:
    widget.checkable = True
    return _attribute("toggled", "checked")(widget, kind, annotations)


def _number(widget, kind, annotations) -> GuiConnector:
    whole = type(widget) in (QtWidgets.QSlider, QtWidgets.QSpinBox)
    decimals = findFirstAnnotation(annotations, Decimals)
    step = findFirstAnnotation(annotations, SingleStep)
    within = findFirstAnnotation(annotations, WithinRange)
    least = within or findFirstAnnotation(annotations, Minimum)
    most = within or findFirstAnnotation(annotations, Maximum)
    if type(widget) in (QtWidgets.QSlider, ctk_widgets.ctkSliderWidget) and not (least and most):
        raise RuntimeError(f"a {type(widget).__name__} needs a type with limits")
    if not whole and kind is int:
        widget.decimals = 0
    elif not whole and decimals:
        widget.decimals = decimals.value
    if step:
        widget.singleStep = step.value
    widest = (-(2**31), 2**31 - 1) if whole else (-float("inf"), float("inf"))
    widget.minimum = least.minimum if least else widest[0]
    widget.maximum = most.maximum if most else widest[1]
    return _Simple(
        widget, "valueChanged", lambda: kind(widget.value), lambda value: setattr(widget, "value", kind(value))
    )


def _choices(widget, _kind, annotations) -> GuiConnector:
    choice = findFirstAnnotation(annotations, Choice)
    if choice is None:
        raise RuntimeError("a combo box needs a type with the annotation Choice")
    return _entries(widget, [(str(each), each) for each in choice.choices])


def _enumeration(widget, kind, _annotations) -> GuiConnector:
    label = getattr(kind, "label", lambda member: member.name)
    return _entries(widget, [(label(member), member) for member in kind])


def _entries(widget, entries) -> GuiConnector:
    widget.clear()
    for text, _ in entries:
        widget.addItem(text)

    def write(value) -> None:
        for index, (_, each) in enumerate(entries):
            if each == value:
                widget.currentIndex = index
                return
        raise ValueError(f"Unable to find value {value} in choices {[each for _, each in entries]}")

    return _Simple(widget, "currentIndexChanged", lambda: entries[widget.currentIndex][1], write)


def _path(widget, kind, _annotations) -> GuiConnector:
    return _Simple(
        widget,
        "currentPathChanged",
        lambda: kind(widget.currentPath),
        lambda value: setattr(widget, "currentPath", str(value)),
    )


def _node(widget, kind, _annotations) -> GuiConnector:
    widget.nodeTypes = [cls().GetClassName() for cls in _node_classes(kind)]
    return _Simple(widget, "currentNodeChanged", widget.currentNode, widget.setCurrentNode)


def _node_classes(kind) -> list[type]:
    """The classes of nodes of a type, none where it is something else."""
    alternatives = (kind,)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        alternatives = tuple(unannotatedType(each) for each in typing.get_args(kind))
    classes = [each for each in alternatives if each is not type(None)]
    fits = all(isinstance(each, type) and issubclass(each, slicer.vtkMRMLNode) for each in classes)
    return classes if fits else []


def _text(widget, _kind, _annotations) -> GuiConnector:
    return _Simple(widget, "textChanged", widget.toPlainText, widget.setPlainText)


def _of(*widgets: type, kinds=()):
    return lambda widget, kind: type(widget) in widgets and kind in kinds


_COMBO_BOXES = (QtWidgets.QComboBox, ctk_widgets.ctkComboBox)
BUILT_IN = (
    (_of(QtWidgets.QCheckBox, ctk_widgets.ctkCheckBox, kinds=(bool,)), _attribute("stateChanged", "checked")),
    (_of(QtWidgets.QPushButton, kinds=(bool,)), _button),
    (_of(QtWidgets.QSlider, QtWidgets.QSpinBox, kinds=(int,)), _number),
    (_of(QtWidgets.QDoubleSpinBox, ctk_widgets.ctkSliderWidget, kinds=(int, float)), _number),
    (_of(*_COMBO_BOXES, kinds=(int, float, str, bool)), _choices),
    (
        lambda widget, kind: type(widget) in _COMBO_BOXES and isinstance(kind, type) and issubclass(kind, enum.Enum),
        _enumeration,
    ),
    (_of(QtWidgets.QLineEdit, kinds=(str,)), _attribute("textChanged", "text", only_changes=True)),
    (_of(QtWidgets.QLabel, kinds=(str,)), _attribute("", "text")),
    (_of(QtWidgets.QTextEdit, kinds=(str,)), _text),
    (_of(ctk_widgets.ctkPathLineEdit, kinds=PATHS), _path),
    (_of(ctk_widgets.ctkColorPickerButton, kinds=(QtGui.QColor,)), _attribute("colorChanged", "color")),
    (lambda widget, kind: type(widget) is qMRMLNodeComboBox and bool(_node_classes(kind)), _node),
)
