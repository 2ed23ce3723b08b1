"""What may stand beside a parameter's type in `Annotated[...]`: a default, limits, and hints for widgets."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Annotated, get_args


class Default:
    """The value a parameter begins with, or what makes it."""

    def __init__(self, value=None, *, generator=None):
        self._value = value
        self._generator = generator

    @property
    def value(self):
        """The value; a generator is asked each time."""
        return self._generator() if self._generator else self._value


class Validator(abc.ABC):
    """Refuses values."""

    @abc.abstractmethod
    def validate(self, value) -> None:
        """Raises ValueError or TypeError for a value that is not allowed."""


class NotNone(Validator):
    """None is not allowed."""

    def validate(self, value) -> None:
        if value is None:
            raise ValueError("Value must not be None")


class IsInstance(Validator):
    """Only values of a class, or None."""

    def __init__(self, classtype):
        self.classtype = classtype

    def validate(self, value) -> None:
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"Value must be of type '{self.classtype}', is {value!r}")


class WithinRange(Validator):
    """From the minimum to the maximum, both included."""

    def __init__(self, minimum, maximum):
        self.minimum = minimum
        self.maximum = maximum

    def validate(self, value) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


class Minimum(Validator):
    """At least the minimum."""

    def __init__(self, minimum):
        self.minimum = minimum

    def validate(self, value) -> None:
        if value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}, is {value}")


class Maximum(Validator):
    """At most the maximum."""

    def __init__(self, maximum):
        self.maximum = maximum

    def validate(self, value) -> None:
        if value > self.maximum:
            raise ValueError(f"Value must be at most {self.maximum}, is {value}")


class Choice(Validator):
    """One of the choices."""

    def __init__(self, choices):
        self.choices = choices

    def validate(self, value) -> None:
        if value not in self.choices:
            raise ValueError(f"Value must be one of {self.choices}, is {value!r}")


class Exclude(Validator):
    """None of the values."""

    def __init__(self, excludedValues):
        self.excludedValues = excludedValues

    def validate(self, value) -> None:
        if value in self.excludedValues:
            raise ValueError(f"Value must not be one of {self.excludedValues}, is {value!r}")


@dataclass
class Decimals:
    """Decimals that a spin box or slider shows."""

    value: int


@dataclass
class SingleStep:
    """Step of a spin box or slider."""

    value: float


def splitAnnotations(kind):
    """A type, annotated or not, as the type alone and a tuple of its annotations."""
    plain, *annotations = get_args(Annotated[kind, None])
    return plain, tuple(annotations[:-1])


def unannotatedType(kind):
    """A type, annotated or not, alone."""
    return splitAnnotations(kind)[0]


def findFirstAnnotation(annotations, kind):
    """The first annotation of a class, or None."""
    return next((each for each in annotations if isinstance(each, kind)), None)
