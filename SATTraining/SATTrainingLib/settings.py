"""Settings that people write: YAML or JSON files, every key and value checked."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
from collections.abc import Mapping
from pathlib import Path

from SATSegmentLib.errors import InputError

_MOST = 2**31 - 1


def read_settings(path: Path) -> object:
    """What a YAML or JSON file holds, by its suffix.

    Raises:
        InputError: It is missing or malformed.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"The configuration {path} cannot be read: {error.strerror}.") from error
    except (ValueError, yaml.YAMLError) as error:  # also bytes that are no text
        raise InputError(f"The configuration {path} is malformed: {' '.join(str(error).split())}.") from error


def write_settings(path: Path, values: object) -> None:
    """Writes YAML or JSON, by the file's suffix; the inverse of `read_settings`.

    Raises:
        OSError: It cannot be written; what was there stays.
    """
    if path.suffix == ".json":
        text = json.dumps(values, indent=2) + "\n"
    else:
        import yaml

        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def refuse_unknown(kind: type, values: object, of: str = "") -> None:
    """Refuses keys that a dataclass does not have, and names the nearest that it has.

    Args:
        kind: The dataclass.
        values: What was written.
        of: What it belongs to, for the sentence, such as ' of "liver"'.

    Raises:
        InputError: As said, or there are no keys at all.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"it holds no keys and values{of}.")
    known = [f.name for f in dataclasses.fields(kind)]
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            raise InputError(f'there is no key "{key}"{of}' + (f'; is "{near[0]}" meant?' if near else "."))


def check_whole_numbers(settings: object, least: Mapping[str, int]) -> None:
    """Refuses attributes that are no whole numbers, or lie below what `least` says of them.

    Raises:
        InputError: As said.
    """
    for name, low in least.items():
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= _MOST:
            raise InputError(f'"{name}" must be a whole number of at least {low}, not {value!r}.')


def number(name: str, value: object) -> float:
    """A finite number; YAML 1.1 reads 1e-4 as a text.

    Raises:
        InputError: It is none.
    """
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise InputError(f'"{name}" must be a number, not {value!r}.')
    return found
