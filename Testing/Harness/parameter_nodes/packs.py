"""`@parameterPack`: a small class of typed members, kept in a node as `name.member`."""

from __future__ import annotations

import typing

import slicer

from .annotations import Default, IsInstance, NotNone, unannotatedType
from .kinds import Checked, Kind, kind_and_default, makers


class Member:
    """A member of a pack or wrapper: its name, how it is kept, its default, and its type as written."""

    def __init__(self, name: str, annotated, owner: type):
        self.basename = name
        self.unalteredType = annotated
        self.kind, self.default = kind_and_default(annotated)
        if name in vars(owner):
            self.default = Default(vars(owner)[name])


def members_of(cls: type) -> dict[str, Member]:
    """The annotated members of a class, in their order."""
    return {name: Member(name, kind, cls) for name, kind in typing.get_type_hints(cls, include_extras=True).items()}


def refuse_taken(cls: type, names) -> None:
    """Raises ValueError where a class has a name that the decorator needs."""
    for name in names:
        if hasattr(cls, name):
            raise ValueError(f"Cannot use reserved name '{name}'")


def parameterPack(cls=None):
    """Class decorator: annotated members become checked properties; an __init__ and an == come with it."""
    return _pack if cls is None else _pack(cls)


def _pack(cls: type) -> type:
    refuse_taken(cls, ("allParameters", "getValue", "setValue", "dataType"))
    members = members_of(cls)
    if not members:
        raise ValueError("a parameterPack needs members")
    for member in members.values():
        try:
            member.kind.validate(member.default.value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the default of '{member.basename}' is not allowed: {error}") from error
        setattr(cls, member.basename, _property(member))
    own = vars(cls).get("__init__")
    cls.allParameters = members
    cls.__init__ = _with_defaults(own) if own else _start
    if "__eq__" not in vars(cls):
        cls.__eq__ = lambda self, other: type(self) is type(other) and values(self) == values(other)
        cls.__hash__ = None
    if "__repr__" not in vars(cls):
        cls.__repr__ = lambda self: f"{cls.__name__}({', '.join(f'{k}={v!r}' for k, v in values(self).items())})"
    cls.getValue = _get_value
    cls.setValue = _set_value
    cls.dataType = classmethod(lambda own_class, name: data_type(own_class, name))
    return cls


def isParameterPack(kind) -> bool:
    """Whether something is a pack, or a class of packs."""
    members = getattr(kind, "allParameters", None)
    return members is not None and not hasattr(kind, "connectGui")


def nestedParameterNames(pack) -> list[str]:
    """The names of all members, those of inner packs with dots."""
    names = []
    for name, member in unannotatedType(pack).allParameters.items():
        inner = unannotatedType(member.unalteredType)
        names += [f"{name}.{each}" for each in nestedParameterNames(inner)] if isParameterPack(inner) else [name]
    return names


def data_type(cls: type, name: str):
    """The type of a member, as written; a dotted name goes into inner packs. Raises ValueError for an unknown name."""
    first, _, rest = name.partition(".")
    if first not in cls.allParameters:
        raise ValueError(f"{cls.__name__} has no parameter '{first}', only {list(cls.allParameters)}")
    kind = cls.allParameters[first].unalteredType
    if not rest:
        return kind
    inner = unannotatedType(kind)
    if not isParameterPack(inner):
        raise ValueError(f"'{first}' is not a parameterPack, it has no '{rest}'")
    return data_type(inner, rest)


def values(pack) -> dict[str, object]:
    """A pack's members with their values."""
    return {name: getattr(pack, _slot(name)) for name in pack.allParameters}


def _slot(name: str) -> str:
    return f"_parameterPack_{name}_impl"


def _property(member: Member) -> property:
    slot = _slot(member.basename)

    def write(self, value):
        member.kind.validate(value)
        setattr(self, slot, value)
        if hasattr(self, "_saved"):
            self._saved()

    return property(lambda self: getattr(self, slot), write)


def _start(self, *arguments, **keywords) -> None:
    names = list(self.allParameters)
    if len(arguments) > len(names):
        raise TypeError(f"__init__() takes at most {len(names)} values")
    given = dict(zip(names, arguments, strict=False))
    for name, value in keywords.items():
        if name not in names:
            raise TypeError(f"__init__() got an unexpected keyword argument '{name}'")
        if name in given:
            raise TypeError(f"__init__() got multiple values for argument '{name}'")
        given[name] = value
    for name, member in self.allParameters.items():
        if name not in given:
            given[name] = member.default.value
        member.kind.validate(given[name])
        setattr(self, _slot(name), given[name])


def _with_defaults(own):
    def start(self, *arguments, **keywords):
        _start(self)
        own(self, *arguments, **keywords)

    return start


def _get_value(self, name: str):
    """The value of a member by its name, which may be dotted."""
    first, _, rest = name.partition(".")
    if first not in self.allParameters:
        raise ValueError(f"{self} has no member '{first}'")
    value = getattr(self, first)
    return value.getValue(rest) if rest else value


def _set_value(self, name: str, value) -> None:
    """Sets a member by its name, which may be dotted."""
    first, _, rest = name.partition(".")
    if first not in self.allParameters:
        raise ValueError(f"{self} has no member '{first}'")
    if rest:
        getattr(self, first).setValue(rest, value)
    else:
        setattr(self, first, value)


class Pack(Kind):
    """Packs as parameters: a member under `name.member`."""

    def __init__(self, cls: type):
        self.cls = cls
        self.members = cls.allParameters
        self.cached = all(member.kind.cached for member in self.members.values())
        self.observed = _observed(cls)

    def default(self):
        return self.cls()

    def is_for(self, kind: type) -> bool:
        return issubclass(kind, self.cls)

    def is_in(self, node, name: str) -> bool:
        first = next(iter(self.members.values()))
        return first.kind.is_in(node, f"{name}.{first.basename}")

    def write(self, node, name: str, value) -> None:
        with slicer.util.NodeModify(node):
            for key, member in self.members.items():
                member.kind.write(node, f"{name}.{key}", getattr(value, _slot(key)))

    def read(self, node, name: str):
        pack = self.observed.__new__(self.observed)
        for key, value in self._read_members(node, name).items():
            object.__setattr__(pack, _slot(key), value)
        object.__setattr__(pack, "_place", (self, node, name))
        return pack

    def _read_members(self, node, name: str) -> dict[str, object]:
        return {key: member.kind.read(node, f"{name}.{key}") for key, member in self.members.items()}

    def remove(self, node, name: str) -> None:
        for key, member in self.members.items():
            member.kind.remove(node, f"{name}.{key}")


def _observed(cls: type) -> type:
    """The class of packs that were read from a node: a change is written to it, new attributes are refused."""

    def saved(self) -> None:
        kind, node, name = self._place
        kind.write(node, name, self)
        # so that inner lists and packs are observed too
        for key, value in kind._read_members(node, name).items():
            object.__setattr__(self, _slot(key), value)

    def set_attribute(self, name: str, value) -> None:
        if not hasattr(self, name):
            raise AttributeError(f"'{cls.__name__}' of a node has no attribute '{name}', and gets no new ones")
        object.__setattr__(self, name, value)

    def equal(self, other) -> bool:
        return isinstance(other, cls) and values(self) == values(other)

    return type(
        f"Observed{cls.__name__}",
        (cls,),
        {"_saved": saved, "__setattr__": set_attribute, "__eq__": equal, "__hash__": None},
    )


def _make(kind) -> Kind | None:
    if isinstance(kind, type) and isParameterPack(kind):
        return Checked(Pack(kind), [NotNone(), IsInstance(kind)])
    return None


makers.append(_make)
