"""Lists and dictionaries that write themselves to their node when they change."""

from __future__ import annotations

from collections.abc import MutableMapping, MutableSequence


class _Observed:
    """A collection of a parameter node: each change in place is written there."""

    __hash__ = None

    def __init__(self, values, node, kind, name: str):
        self._values = values
        self._save = lambda: kind.write(node, name, self._values)
        self._load = lambda: kind.read(node, name)._values

    def _saved(self) -> None:
        try:
            self._save()
        finally:
            # so that new elements are observed too
            self._values = self._load()

    def __len__(self):
        return len(self._values)

    def __getitem__(self, key):
        return self._values[key]

    def __setitem__(self, key, value):
        self._values[key] = value
        self._saved()

    def __delitem__(self, key):
        del self._values[key]
        self._saved()

    def __eq__(self, other):
        return self._values == (other._values if isinstance(other, _Observed) else other)

    def __repr__(self):
        return f"{type(self).__name__}({self._values})"

    def clear(self):
        self._values.clear()
        self._saved()


class ObservedList(_Observed, MutableSequence):
    """A list of a parameter node. It can be changed in place; `+` and `*` are refused, as in Slicer."""

    def __iadd__(self, other):
        self.extend(other)
        return self

    def __imul__(self, count):
        self._values *= count
        self._saved()
        return self

    def __add__(self, _other):
        raise NotImplementedError("an ObservedList can not be added; += works")

    __radd__ = __mul__ = __rmul__ = __add__

    def insert(self, index, value):
        self._values.insert(index, value)
        self._saved()

    def extend(self, values):
        self._values.extend(values)
        self._saved()

    def reverse(self):
        self._values.reverse()
        self._saved()

    def sort(self, *arguments, **keywords):
        """Sorts in place."""
        self._values.sort(*arguments, **keywords)
        self._saved()


class ObservedDict(_Observed, MutableMapping):
    """A dictionary of a parameter node."""

    def __iter__(self):
        return iter(self._values)
