"""Signals as PythonQt has them: `w.connect("clicked()", f)` and `w.clicked.connect(f)`.

A function gets as many of the signal's arguments as it has parameters, as PythonQt does it: parameters with a default
count too. The callable is kept alive by the connection. An exception in it is printed and goes on.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable

import shiboken6
from PySide6 import QtCore

# signals that Qt 6 dropped, made from what is left: signature -> (signal left, what it passes)
DROPPED = {
    "QComboBox": {
        "currentIndexChanged(QString)": ("currentIndexChanged(int)", lambda box, index: box.itemText(index)),
        "activated(QString)": ("activated(int)", lambda box, index: box.itemText(index)),
    },
    "QButtonGroup": {"buttonClicked(int)": ("idClicked(int)", lambda _group, identity: identity)},
    "QSpinBox": {"valueChanged(QString)": ("textChanged(QString)", lambda _box, text: text)},
    "QDoubleSpinBox": {"valueChanged(QString)": ("textChanged(QString)", lambda _box, text: text)},
}

_connections: dict[int, list[_Connection]] = {}


class _Connection:
    """One callable at one signal of one object."""

    def __init__(self, signature: str, function: Callable, signal, slot: Callable):
        self.signature = signature
        self.function = function
        self.signal = signal
        self.slot = slot


class SignalAttribute:
    """A signal in a class; on an object a `BoundSignal`."""

    def __init__(self, name: str, signal: QtCore.Signal):
        self.name = name
        self.signal = signal

    def __get__(self, instance, owner=None):
        return self if instance is None else BoundSignal(instance, self.name)


class BoundSignal:
    """A signal of an object: can be connected, disconnected, emitted and called (which emits it)."""

    def __init__(self, instance: QtCore.QObject, name: str):
        self._instance = instance
        self._name = name

    def connect(self, function: Callable) -> bool:
        """Calls the function with the arguments of the signal's first signature."""
        return connect(self._instance, signatures(self._instance, self._name)[0], function)

    def disconnect(self, function: Callable | None = None) -> bool:
        """Takes away the function, or all of them."""
        return disconnect(self._instance, signatures(self._instance, self._name)[0], function)

    def emit(self, *arguments) -> None:
        """Emits the signal."""
        raw(self._instance, self._name).emit(*arguments)

    __call__ = emit

    def __repr__(self) -> str:
        return f"<qt signal {self._name} of {type(self._instance).__name__}>"


def raw(instance: QtCore.QObject, name: str):
    """PySide's own signal of an object."""
    for cls in type(instance).__mro__:
        attribute = vars(cls).get(name)
        if isinstance(attribute, SignalAttribute):
            return attribute.signal.__get__(instance, cls)
        if type(attribute) is QtCore.Signal:
            return attribute.__get__(instance, cls)
    raise AttributeError(f"{type(instance).__name__} has no signal '{name}'")


def signatures(instance: QtCore.QObject, name: str) -> list[str]:
    """The signatures of a signal in Slicer, in the order of Qt's meta object (a parent class' last)."""
    own = [text for text in cpp_signatures(type(instance)) if text.split("(")[0] == name]
    if own:
        return own
    meta = instance.metaObject()
    found = []
    while meta is not None and not found:
        for index in range(meta.methodOffset(), meta.methodCount()):
            method = meta.method(index)
            if method.methodType() == QtCore.QMetaMethod.Signal and method.name().data().decode() == name:
                found.append(method.methodSignature().data().decode())
        meta = meta.superClass()
    return found


def cpp_signatures(cls: type) -> dict[str, str]:
    """Of a widget of the harness: the C++ signatures of its signals and the Python signal that stands for each."""
    table = {}
    for base in reversed(cls.__mro__):
        table.update(vars(base).get("cpp_signals", {}))
    return table


def connect(self: QtCore.QObject, signal: str, function: Callable, slot: str | None = None) -> bool:
    """Calls the function, or the slot of another object, when the signal is emitted.

    Raises ValueError for a signal that the object does not have: PythonQt returns False and prints a line.
    """
    if isinstance(signal, QtCore.QObject):  # as PySide's own QTimer.singleShot says it
        self, signal, function, slot = signal, function.lstrip("2"), slot, None
    if slot is not None:
        function = getattr(function, slot.lstrip("12").split("(")[0])
    if not callable(function):
        raise TypeError(f"{function!r} can not be called")
    wanted = _normalized(signal)
    emitter, adapt = _emitter(self, wanted)
    count = _argument_count(wanted)
    receiver = _receiver(self, function, count, adapt)
    emitter.connect(receiver)
    key = shiboken6.getCppPointer(self)[0]
    if key not in _connections:
        _connections[key] = []
        raw(self, "destroyed").connect(lambda: _connections.pop(key, None))
    _connections[key].append(_Connection(wanted, function, emitter, receiver))
    return True


def disconnect(self: QtCore.QObject, signal: str, function: Callable | None = None, slot: str | None = None) -> bool:
    """Takes away one connection of the function, or, without one, all of the signal; whether there was any."""
    if slot is not None:
        function = getattr(function, slot.lstrip("12").split("(")[0])
    wanted = _normalized(signal)
    mine = _connections.get(shiboken6.getCppPointer(self)[0], [])
    matching = [each for each in mine if each.signature == wanted and function in (None, each.function)]
    for each in matching if function is None else matching[:1]:
        each.signal.disconnect(each.slot)
        mine.remove(each)
    return bool(matching)


def _normalized(signal: str) -> str:
    if not isinstance(signal, str) or "(" not in signal:
        raise ValueError(f"'{signal}' is no signature of a signal, as in 'clicked()'")
    text = QtCore.QMetaObject.normalizedSignature(signal.lstrip("0123456789")).data().decode()
    return text.replace("QVector<", "QList<")


def _argument_count(signature: str) -> int:
    inside = signature[signature.index("(") + 1 : -1]
    depth = 0
    commas = 0
    for letter in inside:
        depth += letter == "<"
        depth -= letter == ">"
        commas += letter == "," and depth == 0
    return commas + 1 if inside else 0


def _emitter(instance: QtCore.QObject, signature: str):
    """PySide's signal for a signature of Slicer's, and what turns its arguments into Slicer's."""
    own = cpp_signatures(type(instance))
    if signature in own:
        return raw(instance, own[signature]), None
    for cls in type(instance).__mro__:
        if signature in DROPPED.get(cls.__name__, {}):
            left, adapt = DROPPED[cls.__name__][signature]
            return _emitter(instance, left)[0], adapt
    if instance.metaObject().indexOfSignal(signature) < 0:
        raise ValueError(f"signal '{signature}' does not exist on {type(instance).__name__}")
    name = signature.split("(")[0]
    alike = [each for each in signatures(instance, name) if _argument_count(each) == _argument_count(signature)]
    signal = raw(instance, name)
    if len(alike) > 1:
        signal = signal[signature[signature.index("(") + 1 : -1]]
    return signal, None


def _receiver(instance: QtCore.QObject, function: Callable, count: int, adapt: Callable | None) -> Callable:
    """What PySide calls: it looks at the number of parameters to choose among a signal's signatures."""
    accepted = min(count, _accepted_arguments(function))
    weak = instance if adapt else None

    def run(*arguments) -> None:
        try:
            if adapt:
                arguments = (adapt(weak, *arguments),)
            function(*arguments[:accepted])
        except Exception:
            sys.excepthook(*sys.exc_info())

    receivers = (
        lambda: run(),
        lambda a: run(a),
        lambda a, b: run(a, b),
        lambda a, b, c: run(a, b, c),
        lambda a, b, c, d: run(a, b, c, d),
        lambda a, b, c, d, e: run(a, b, c, d, e),
    )
    return receivers[count]


def _accepted_arguments(function: Callable) -> int:
    """As PythonQt counts: only functions and methods are looked into, and defaults count as parameters."""
    plain = function.__func__ if inspect.ismethod(function) else function
    if not inspect.isfunction(plain) or plain.__code__.co_flags & inspect.CO_VARARGS:
        return sys.maxsize
    return plain.__code__.co_argcount - (1 if inspect.ismethod(function) else 0)
