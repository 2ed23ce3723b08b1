"""`@parameterNodeWrapper`: typed members of a class as parameters of a node in the scene."""

from __future__ import annotations

import weakref

import slicer
import vtk
from PySide6 import QtWidgets

from .gui import GuiConnector, createGuiConnector
from .packs import Member, data_type, members_of, refuse_taken

SlicerParameterNamePropertyName = "SlicerParameterName"
RESERVED = (
    "allParameters",
    "default",
    "isCached",
    "dataType",
    "getValue",
    "setValue",
    "connectGui",
    "connectParametersToGui",
    "disconnectGui",
    "StartModify",
    "EndModify",
    "AddObserver",
    "RemoveObserver",
    "Modified",
)


def parameterNodeWrapper(cls=None):
    """Class decorator: `cls(node)` reads and writes the annotated members in the node."""
    return _wrap if cls is None else _wrap(cls)


def isParameterNodeWrapper(thing) -> bool:
    """Whether something is a wrapper, or a class of them."""
    return hasattr(thing, "connectGui")


class _Value:
    """One parameter of one node. A cached value is read again when the node changes."""

    def __init__(self, member: Member, node, prefix: str):
        self.member = member
        self.node = node
        self.name = prefix + member.basename
        self.cached = member.kind.cached
        if not member.kind.is_in(node, self.name):
            member.kind.write(node, self.name, member.default.value)
        if self.cached:
            self._writing = False
            self._value = member.kind.read(node, self.name)
            # a strong reference would be a ring through the node
            weak = weakref.ref(self)
            self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: weak() and weak()._refresh())

    def __del__(self):
        self.release()

    def release(self) -> None:
        """Stops following the node."""
        if hasattr(self, "_tag"):
            self.node.RemoveObserver(self.__dict__.pop("_tag"))

    def _refresh(self) -> None:
        if not self._writing:
            self._value = self._read()

    def _read(self):
        kind = self.member.kind
        if not kind.is_in(self.node, self.name):
            kind.write(self.node, self.name, self.member.default.value)
        return kind.read(self.node, self.name)

    def read(self):
        """The value."""
        return self._value if self.cached else self._read()

    def write(self, value) -> None:
        """Writes the value; who observes the node finds the new one."""
        if not self.cached:
            self.member.kind.write(self.node, self.name, value)
            return
        self._writing = True
        try:
            with slicer.util.NodeModify(self.node):
                self.member.kind.write(self.node, self.name, value)
                self._value = self._read()
        finally:
            self._writing = False


def _wrap(cls: type) -> type:
    refuse_taken(cls, RESERVED)
    members = members_of(cls)
    for name in members:
        setattr(cls, name, property(lambda self, n=name: self._values[n].read(), _writer(name)))
    cls.allParameters = members
    cls.__init__ = _start
    cls.dataType = classmethod(lambda own, name: data_type(own, name))
    for name, function in (
        ("default", lambda self, name: self._values[name].member.default),
        ("isCached", lambda self, name: self._values[name].cached),
        ("getValue", _get_value),
        ("setValue", _set_value),
        ("connectGui", _connect_gui),
        ("connectParametersToGui", _connect_parameters),
        ("disconnectGui", _disconnect_gui),
        ("StartModify", lambda self: self.parameterNode.StartModify()),
        ("EndModify", lambda self, was: self.parameterNode.EndModify(was)),
        ("AddObserver", lambda self, *arguments: self.parameterNode.AddObserver(*arguments)),
        ("RemoveObserver", lambda self, tag: self.parameterNode.RemoveObserver(tag)),
        ("Modified", lambda self: self.parameterNode.Modified()),
    ):
        setattr(cls, name, function)
    return cls


def _writer(name: str):
    return lambda self, value: self._values[name].write(value)


_alive: weakref.WeakSet = weakref.WeakSet()


def release_all() -> None:
    """Separates all wrappers from their nodes and widgets, before those are deleted."""
    for wrapper in list(_alive):
        for connectors, observer in wrapper._connected.values():
            wrapper.RemoveObserver(observer)
            connectors.clear()
        for value in wrapper._values.values():
            value.release()


def _start(self, parameterNode, prefix: str | None = None) -> None:
    self.parameterNode = parameterNode
    self._values = {name: _Value(member, parameterNode, prefix or "") for name, member in self.allParameters.items()}
    self._connected: dict[int, tuple[dict[str, GuiConnector], int]] = {}
    self._next_tag = 0
    _alive.add(self)
    self._updating = False


def _get_value(self, name: str):
    """The value of a parameter by its name; a dotted one goes into packs."""
    self.dataType(name)
    first, _, rest = name.partition(".")
    value = self._values[first].read()
    return value.getValue(rest) if rest else value


def _set_value(self, name: str, value) -> None:
    """Sets a parameter by its name; a dotted one goes into packs."""
    self.dataType(name)
    first, _, rest = name.partition(".")
    if rest:
        self._values[first].read().setValue(rest, value)
    else:
        self._values[first].write(value)


def _connect_gui(self, gui) -> int:
    """Connects the widgets that have the property SlicerParameterName; returns a tag to disconnect them."""
    widgets = gui.findChildren(QtWidgets.QWidget) if isinstance(gui, QtWidgets.QWidget) else vars(gui).values()
    names = {widget: widget.property(SlicerParameterNamePropertyName) for widget in widgets}
    return self.connectParametersToGui({name: widget for widget, name in names.items() if name})


def _connect_parameters(self, mapping) -> int:
    """Connects widgets or connectors by the names of parameters; returns a tag to disconnect them."""
    connectors = {}
    for name, widget in mapping.items():
        kind = self.dataType(name)
        connectors[name] = widget if isinstance(widget, GuiConnector) else createGuiConnector(widget, kind)
    for name, connector in connectors.items():
        connector.write(self.getValue(name))
        connector.onChanged(_follower(self, name, connector))
    # a strong reference would be a ring through the node, which VTK does not let Python clear safely
    weak = weakref.ref(self)
    observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: _show_values(weak()))
    tag = self._next_tag
    self._next_tag += 1
    self._connected[tag] = connectors, observer
    return tag


def _follower(self, name: str, connector: GuiConnector):
    def follow() -> None:
        with slicer.util.NodeModify(self):
            if not self._updating:
                self.setValue(name, connector.read())

    return follow


def _show_values(self) -> None:
    if self is None or self._updating:
        return
    self._updating = True
    try:
        with slicer.util.NodeModify(self):
            for connectors, _ in list(self._connected.values()):
                for name, connector in connectors.items():
                    connector.write(self.getValue(name))
    finally:
        self._updating = False


def _disconnect_gui(self, tag: int) -> None:
    """Takes back `connectGui`."""
    if tag in self._connected:
        connectors, observer = self._connected.pop(tag)
        for connector in connectors.values():
            connector.onChanged(None)
        self.RemoveObserver(observer)


def findChildWidgetForParameter(widget, parameter: str):
    """The child widget of a parameter, or None."""
    for child in widget.findChildren(QtWidgets.QWidget):
        if child.property(SlicerParameterNamePropertyName) == parameter:
            return child
    return None
