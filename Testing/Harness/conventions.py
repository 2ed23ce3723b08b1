"""PySide6's classes with PythonQt's conventions, so that code written for Slicer's Python runs on them unchanged.

PythonQt (the binding inside Slicer) shows every Q_PROPERTY as an attribute, read and written without a call, keeps
everything else a method, has enumerations as integers under their class, refuses new attributes on C++ objects,
and finds children by their object name. `apply` changes PySide6's classes to that once a process.
"""

from __future__ import annotations

import ctypes
import enum
import math
import types
from collections.abc import Callable, Iterator

import shiboken6
from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

from . import values
from .newer import MEMBERS as NEWER
from .newer import METHODS
from .signals import SignalAttribute, connect, disconnect

MODULES = (QtCore, QtGui, QtWidgets, QtUiTools)

_applied: set[type] = set()
_natives: set[type] = set()

# not empty while a .ui file is read: PySide then sets the children as attributes, which PythonQt does not
loading: list[object] = []


def apply() -> None:
    """Changes every class of QtCore, QtGui, QtWidgets and QtUiTools; a second call does nothing."""
    if _applied:
        return
    classes = sorted(_classes(), key=lambda cls: len(cls.__mro__))
    for cls in classes:
        _applied.add(cls)
        _remove_newer(cls)
        _plain_enumerations(cls)
        _refuse_new_attributes(cls)
        if issubclass(cls, QtCore.QObject):
            _own_connect(cls)
            _show_signals(cls)
            _show_properties(cls)
        values.apply(cls)
    _extend_object()


def native(cls: type) -> type:
    """Class decorator: a widget of the harness that is a C++ class in Slicer, with the same conventions."""
    _natives.add(cls)
    for name, value in list(vars(cls).items()):
        if type(value) is QtCore.Signal:
            setattr(cls, name, SignalAttribute(name, value))
    return cls


def stands_for_cpp(cls: type) -> bool:
    """Whether the class is a C++ class in Slicer, not one derived in Python."""
    return cls in _applied or cls in _natives


def _classes() -> Iterator[type]:
    seen = set()
    for module in MODULES:
        for name in dir(module):
            value = getattr(module, name)
            if isinstance(value, type) and issubclass(value, shiboken6.Object) and value not in seen:
                seen.add(value)
                yield value


def _remove_newer(cls: type) -> None:
    """Members that came after Qt 5.15 are missing in Slicer's Qt."""
    for name in NEWER.get(cls.__name__, ()):
        setattr(cls, name, _Missing(name))


def _is_newer(cls: type, name: str) -> bool:
    return name in _NEWER_NAMES and isinstance(_cpp_member(cls, name), _Missing)


_NEWER_NAMES = frozenset().union(*NEWER.values())


class _Missing:
    """A member that Slicer's Qt does not have."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, instance, owner):
        raise AttributeError(f"{owner.__name__} has no attribute named '{self.name}' in Qt 5.15")

    def __set__(self, instance, value):
        raise AttributeError(f"'{self.name}' does not exist on {type(instance).__name__} in Qt 5.15")


def _plain_enumerations(cls: type) -> None:
    """Values are integers under the class itself; the enumeration is a type of integers without members."""
    for name, value in list(vars(cls).items()):
        if not (isinstance(value, type) and issubclass(value, enum.Enum)):
            continue
        for key, member in value.__members__.items():
            if key not in vars(cls):
                setattr(cls, key, member)
        setattr(cls, name, _integers(name, value))


def _integers(name: str, enumeration: type[enum.Enum]) -> type[int]:
    def new(_cls, value=0):
        return enumeration(int(value))

    return type(name, (int,), {"__new__": new})


def _refuse_new_attributes(cls: type) -> None:
    if "__setattr__" in vars(cls):
        cls.__setattr__ = _set_attribute


def _set_attribute(self, name: str, value) -> None:
    if name.startswith("_"):
        _generic_set_attribute(self, name, value)
        return
    owner = type(self)
    target = _cpp_member(owner, name)
    if type(value) is QtCore.SignalInstance and isinstance(target, SignalAttribute):
        # PySide keeps the signal in the object on first use, where it would hide ours
        return
    if type(target) is QtCore.Property:
        meta = self.metaObject()
        _write(self, meta.property(meta.indexOfProperty(name)), value)
    elif hasattr(target, "__set__") or (target is None and not stands_for_cpp(owner)):
        _generic_set_attribute(self, name, value)
    elif target is not None:
        raise AttributeError(f"'{name}' can not be overwritten on {owner.__name__} object")
    elif isinstance(self, QtCore.QObject) and self.property(name) is not None:
        self.setProperty(name, value)
    elif not (loading and isinstance(value, QtCore.QObject)):
        raise AttributeError(
            f"'{name}' does not exist on {owner.__name__} and creating new attributes on C++ objects is not allowed"
        )


def _cpp_member(cls: type, name: str):
    """What a class has under a name in C++, or None: this counts before what Python adds to it."""
    for base in cls.__mro__:
        if name in vars(base) and stands_for_cpp(base):
            return vars(base)[name]
    return None


# Python refuses to call the replaced slot's wrapper, so its C function is called
_generic_set_attribute = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.py_object, ctypes.py_object)(
    ("PyObject_GenericSetAttr", ctypes.pythonapi)
)


def _own_connect(cls: type) -> None:
    """PySide answers these two names before it looks into the class."""
    if "__getattribute__" not in vars(cls):
        return
    original = vars(cls)["__getattribute__"]

    def get_attribute(self, name):
        if name in ("connect", "disconnect"):
            return types.MethodType(connect if name == "connect" else disconnect, self)
        if _is_newer(type(self), name):
            raise AttributeError(name)
        return original(self, name)

    cls.__getattribute__ = get_attribute


def _show_signals(cls: type) -> None:
    for name, value in list(vars(cls).items()):
        if type(value) is QtCore.Signal:
            setattr(cls, name, SignalAttribute(name, value))


def _show_properties(cls: type) -> None:
    meta = cls.staticMetaObject
    own = range(meta.propertyOffset(), meta.propertyCount())
    for index in range(meta.propertyCount()):
        info = meta.property(index)
        name = info.name()
        if any(name in NEWER.get(base.__name__, ()) or name in METHODS.get(base.__name__, ()) for base in cls.__mro__):
            continue
        # PythonQt leaves this one out, for the static method of the same name
        if name == "singleShot":
            continue
        if index in own or name in vars(cls):
            setattr(cls, name, PropertyAttribute(cls, info))


class PropertyAttribute:
    """A Q_PROPERTY as PythonQt shows it; a value that does not fit is an AttributeError."""

    def __init__(self, cls: type, info: QtCore.QMetaProperty):
        self.name = info.name()
        self.info = info
        self.getter = _getter(cls, self.name)

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        value = self.getter.__get__(instance, owner)() if self.getter else instance.property(self.name)
        if self.name == "toolTip":
            return _word_wrapped(value)
        return values.read(value)

    def __set__(self, instance, value):
        _write(instance, self.info, value)


def _write(instance: QtCore.QObject, info: QtCore.QMetaProperty, value) -> None:
    if not info.isWritable():
        raise AttributeError(f"Property '{info.name()}' of {type(instance).__name__} object is not writable")
    try:
        written = instance.setProperty(info.name(), _fitting(info, value))
    except (TypeError, ValueError):
        written = False
    if not written:
        raise AttributeError(
            f"Property '{info.name()}' of type '{info.typeName()}' does not accept an object of type "
            f"{type(value).__name__} ({value!r})"
        )


def _fitting(info: QtCore.QMetaProperty, value):
    """The value as the property's type, as far as PythonQt converts it."""
    kind = info.typeName()
    if info.isEnumType():
        return int(value)
    if kind == "bool":
        return bool(value)
    if kind in ("int", "uint"):
        return math.floor(value) if isinstance(value, float) else int(value)
    if kind in ("double", "float"):
        return float(value)
    if kind == "QString":
        return str(value)
    if kind == "QStringList":
        return [str(each) for each in value]
    return value


def _getter(cls: type, name: str) -> Callable | None:
    """The C++ read function, as far as it has one of the usual names."""
    capital = name[0].upper() + name[1:]
    for base in cls.__mro__:
        for candidate in (name, f"is{capital}", f"has{capital}"):
            found = vars(base).get(candidate)
            if isinstance(found, PropertyAttribute):
                if found.getter:
                    return found.getter
            elif callable(found) and not isinstance(found, type):
                return found
    return None


def _word_wrapped(tip: str) -> str:
    """Slicer puts plain tips into a paragraph, so that long ones break into lines."""
    return f"<p>{tip}</p>" if tip and not QtGui.Qt.mightBeRichText(tip) else tip


def _extend_object() -> None:
    """What PythonQt adds to every object."""
    cls = QtCore.QObject
    cls.name = vars(cls)["objectName"]
    cls.className = lambda self: self.metaObject().className()
    cls.delete = lambda self: shiboken6.delete(self)
    cls.__getattr__ = _missing_attribute


def _missing_attribute(self, name: str):
    """Dynamic properties and children by name, and a trailing underscore for Python's keywords."""
    if not name.startswith("__") and not _is_newer(type(self), name):
        if name.endswith("_") and hasattr(type(self), name[:-1]):
            return getattr(self, name[:-1])
        value = self.property(name)
        if value is not None:
            return value
        for child in QtCore.QObject.children(self):
            if child.objectName == name:
                return child
    raise AttributeError(f"{type(self).__name__} has no attribute named '{name}'")
