"""How values of each type are kept in a `vtkMRMLScriptedModuleNode`: the same names and texts as in Slicer."""

from __future__ import annotations

import enum
import importlib
import logging
import pathlib
import types
import typing

import slicer

from .annotations import Default, IsInstance, NotNone, Validator, splitAnnotations
from .observed import ObservedDict, ObservedList

PATHS = (
    pathlib.Path,
    pathlib.PosixPath,
    pathlib.WindowsPath,
    pathlib.PurePath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
)


class Kind:
    """Values of one type as parameters of a node. `cached`: reading gives what follows its own changes."""

    cached = True

    def default(self):
        """The value where none is given."""
        raise NotImplementedError

    def validate(self, value) -> None:
        """Raises ValueError or TypeError for a value that is not allowed."""

    def is_for(self, kind: type) -> bool:
        """Whether values of a class are of this kind; asked where a type has alternatives."""
        raise NotImplementedError

    def is_in(self, node, name: str) -> bool:
        """Whether the node has the parameter."""
        return bool(node.HasParameter(name))

    def write(self, node, name: str, value) -> None:
        """Writes a valid value."""
        raise NotImplementedError

    def read(self, node, name: str):
        """Reads the value."""
        raise NotImplementedError

    def remove(self, node, name: str) -> None:
        """Takes the parameter away."""
        node.UnsetParameter(name)


class Checked(Kind):
    """A kind with validators before it."""

    def __init__(self, inner: Kind, validators: list[Validator]):
        if isinstance(inner, Checked):
            inner, validators = inner.inner, [*inner.validators, *validators]
        self.inner = inner
        self.validators = validators
        self.cached = inner.cached
        self.default, self.is_for, self.is_in = inner.default, inner.is_for, inner.is_in
        self.read, self.remove = inner.read, inner.remove

    def validate(self, value) -> None:
        for validator in self.validators:
            validator.validate(value)

    def write(self, node, name: str, value) -> None:
        self.validate(value)
        self.inner.write(node, name, value)


class Text(Kind):
    """Values that are kept as one text."""

    def __init__(self, kind: type, default, parse=None):
        self.kind = kind
        self._default = default
        self.parse = parse or kind

    def default(self):
        return self._default

    def is_for(self, kind: type) -> bool:
        return kind is self.kind

    def write(self, node, name: str, value) -> None:
        node.SetParameter(name, str(value))

    def read(self, node, name: str):
        return self.parse(node.GetParameter(name))


class Choices(Kind):
    """Members of an enumeration, kept by their name."""

    def __init__(self, kind: type[enum.Enum]):
        self.kind = kind

    def default(self):
        return next(iter(self.kind))

    def is_for(self, kind: type) -> bool:
        return kind is self.kind

    def write(self, node, name: str, value) -> None:
        node.SetParameter(name, value.name)

    def read(self, node, name: str):
        key = node.GetParameter(name)
        if key not in self.kind.__members__:
            raise ValueError(f"'{key}' is no name in {self.kind}")
        return self.kind[key]


class Node(Kind):
    """A node of the scene, kept as a reference; an empty parameter says that there is one."""

    def __init__(self, kind: type):
        self.kind = kind

    def default(self):
        return None

    def is_for(self, kind: type) -> bool:
        return issubclass(kind, slicer.vtkMRMLNode)

    def write(self, node, name: str, value) -> None:
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node, name: str):
        return node.GetNodeReference(name)

    def remove(self, node, name: str) -> None:
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class Nothing(Text):
    """None, as one of the alternatives of a type."""

    def __init__(self):
        super().__init__(type(None), None, lambda _text: None)

    def write(self, node, name: str, value) -> None:
        node.SetParameter(name, "True")


class List(Kind):
    """A list: its length under `name.len`, its elements under `name.0` and so on."""

    def __init__(self, element: Kind):
        self.element = element
        self.cached = element.cached

    def default(self):
        return []

    def is_for(self, kind: type) -> bool:
        return kind in (list, ObservedList)

    def is_in(self, node, name: str) -> bool:
        return bool(node.HasParameter(f"{name}.len"))

    def _length(self, node, name: str) -> int:
        return int(node.GetParameter(f"{name}.len")) if self.is_in(node, name) else 0

    def write(self, node, name: str, value) -> None:
        before = self.read(node, name) if self.is_in(node, name) else None
        with slicer.util.NodeModify(node):
            try:
                for index, element in enumerate(value):
                    self.element.write(node, f"{name}.{index}", element)
                length = self._length(node, name)
                node.SetParameter(f"{name}.len", str(len(value)))
                for index in range(len(value), length):
                    self.element.remove(node, f"{name}.{index}")
            except Exception:
                # a list is written whole or not at all
                self.remove(node, name) if before is None else self.write(node, name, before)
                raise

    def read(self, node, name: str):
        length = self._length(node, name)
        return ObservedList([self.element.read(node, f"{name}.{index}") for index in range(length)], node, self, name)

    def remove(self, node, name: str) -> None:
        with slicer.util.NodeModify(node):
            for index in range(self._length(node, name)):
                self.element.remove(node, f"{name}.{index}")
            node.UnsetParameter(f"{name}.len")


class Tuple(Kind):
    """A tuple of fixed types: its elements under `name.0` and so on."""

    def __init__(self, elements: list[Kind]):
        self.elements = elements
        self.cached = all(element.cached for element in elements)

    def default(self):
        return tuple(element.default() for element in self.elements)

    def is_for(self, kind: type) -> bool:
        return kind is tuple

    def is_in(self, node, name: str) -> bool:
        return self.elements[0].is_in(node, f"{name}.0")

    def write(self, node, name: str, value) -> None:
        value = tuple(value)
        if len(value) != len(self.elements):
            raise ValueError(f"{len(self.elements)} values are needed, not {len(value)}")
        with slicer.util.NodeModify(node):
            for index, (element, kind) in enumerate(zip(value, self.elements, strict=True)):
                kind.write(node, f"{name}.{index}", element)

    def read(self, node, name: str):
        return tuple(kind.read(node, f"{name}.{index}") for index, kind in enumerate(self.elements))

    def remove(self, node, name: str) -> None:
        for index, kind in enumerate(self.elements):
            kind.remove(node, f"{name}.{index}")


class Dict(Kind):
    """A dictionary, kept as a list of pairs."""

    def __init__(self, key: Kind, value: Kind):
        self.pairs = List(Tuple([key, value]))
        self.cached = self.pairs.cached
        self.is_in, self.remove = self.pairs.is_in, self.pairs.remove

    def default(self):
        return {}

    def is_for(self, kind: type) -> bool:
        return kind in (dict, ObservedDict)

    def write(self, node, name: str, value) -> None:
        self.pairs.write(node, name, list(value.items()))

    def read(self, node, name: str):
        return ObservedDict(dict(self.pairs.read(node, name)), node, self, name)


class Union(Kind):
    """Alternatives: the one that a value is of is kept under its number."""

    def __init__(self, alternatives: list[Checked]):
        self.alternatives = alternatives
        self.cached = all(each.cached for each in alternatives)

    def default(self):
        optional = len(self.alternatives) == 2 and isinstance(self.alternatives[1].inner, Nothing)
        return None if optional else self.alternatives[0].default()

    def is_for(self, kind: type) -> bool:
        return any(each.is_for(kind) for each in self.alternatives)

    def is_in(self, node, name: str) -> bool:
        return any(each.is_in(node, f"{name}.{index}") for index, each in enumerate(self.alternatives))

    def write(self, node, name: str, value) -> None:
        problem = TypeError(f"Unable to write {value!r} of type '{type(value)}'")
        for index, each in enumerate(self.alternatives):
            if each.is_for(type(value)):
                try:
                    each.validate(value)
                except (TypeError, ValueError) as error:
                    problem = error
                    continue
                with slicer.util.NodeModify(node):
                    self.remove(node, name)
                    each.write(node, f"{name}.{index}", value)
                return
        raise problem

    def read(self, node, name: str):
        for index, each in enumerate(self.alternatives):
            if each.is_in(node, f"{name}.{index}"):
                return each.read(node, f"{name}.{index}")
        raise KeyError(name)

    def remove(self, node, name: str) -> None:
        for index, each in enumerate(self.alternatives):
            each.remove(node, f"{name}.{index}")


class Any(Kind):
    """Any value whose type has a kind; its type is kept beside it."""

    cached = False

    def default(self):
        return None

    def is_for(self, kind: type) -> bool:
        return True

    def is_in(self, node, name: str) -> bool:
        return bool(node.HasParameter(f"{name}.type.0"))

    def _kind(self, node, name: str) -> Kind:
        module, cls = (node.GetParameter(f"{name}.type.{index}") for index in (0, 1))
        return kind_of(type(None) if cls == "NoneType" else getattr(importlib.import_module(module), cls))

    def write(self, node, name: str, value) -> None:
        self.remove(node, name)
        kind_of(type(value)).write(node, f"{name}.value", value)
        node.SetParameter(f"{name}.type.0", type(value).__module__)
        node.SetParameter(f"{name}.type.1", type(value).__name__)

    def read(self, node, name: str):
        return self._kind(node, name).read(node, f"{name}.value")

    def remove(self, node, name: str) -> None:
        if self.is_in(node, name):
            self._kind(node, name).remove(node, f"{name}.value")
            node.UnsetParameter(f"{name}.type.0")
            node.UnsetParameter(f"{name}.type.1")


# made by the modules that know more types: functions from a type to a kind or None
makers: list[typing.Callable[[object], Kind | None]] = []


def kind_of(annotated) -> Checked:
    """The kind of a type, annotated or not. Raises TypeError for one that can not be kept."""
    kind, rest = _kind_and_rest(annotated)
    if rest:
        logging.warning("Unused annotations: %s", rest)
    return kind


def kind_and_default(annotated) -> tuple[Checked, Default]:
    """The kind of a parameter's type and its default."""
    kind, rest = _kind_and_rest(annotated)
    defaults = [each for each in rest if isinstance(each, Default)]
    if len(defaults) > 1:
        raise TypeError("more than one default")
    unused = [each for each in rest if not isinstance(each, Default)]
    if unused:
        logging.warning("Unused annotations: %s", unused)
    return kind, defaults[0] if defaults else Default(generator=kind.default)


def _kind_and_rest(annotated):
    plain, annotations = splitAnnotations(annotated)
    validators = [each for each in annotations if isinstance(each, Validator)]
    rest = [each for each in annotations if not isinstance(each, Validator)]
    return Checked(_plain_kind(plain), validators), rest


def _plain_kind(kind) -> Kind:
    for maker in makers:
        made = maker(kind)
        if made is not None:
            return made
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return Union([kind_of(each) for each in inside])
    if origin is list or kind is list:
        return List(kind_of(inside[0] if inside else typing.Any))
    if origin is tuple:
        return Tuple([kind_of(each) for each in inside])
    if origin is dict or kind is dict:
        key, value = inside or (typing.Any, typing.Any)
        return Dict(kind_of(key), kind_of(value))
    if kind is typing.Any:
        return Any()
    if not isinstance(kind, type):
        raise TypeError(f"parameters of type {kind} can not be kept in a node")
    if issubclass(kind, slicer.vtkMRMLNode):
        return Checked(Node(kind), [IsInstance(kind)])
    if issubclass(kind, type(None)):
        return Checked(Nothing(), [])
    if issubclass(kind, enum.Enum):
        return Checked(Choices(kind), [IsInstance(kind)])
    texts = {
        bool: (False, bool, lambda text: text == "True"),
        int: (0, int, int),
        float: (0, (int, float), float),
        str: ("", str, str),
    }
    if kind in texts:
        default, accepted, parse = texts[kind]
        return Checked(Text(kind, default, parse), [NotNone(), IsInstance(accepted)])
    if kind in PATHS:
        return Checked(Text(kind, kind()), [NotNone(), IsInstance(kind)])
    raise TypeError(f"parameters of type {kind} can not be kept in a node")
