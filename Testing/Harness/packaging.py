"""`slicer.packaging` and `slicer.i18n`: what a module asks of them; nothing is ever installed."""

from __future__ import annotations

import types
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from PySide6 import QtCore

# what modules asked to be installed, for tests
asked: list[list[str]] = []
# how the next install that is not waited for goes, for tests: pip's lines, then its exit code
planned: list[tuple[list[str], int]] = []
_in_progress = False
_LINE_MS = 10


def load_requirements(path) -> list[Requirement]:
    """The requirements of a file, without comments and pip's options."""
    lines = (line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def pip_check(req, _seen=None) -> bool:
    """Whether requirements are met by what is installed here. Extras are not followed."""
    return all(_met(each) for each in _requirements(req))


def _met(requirement: Requirement) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        return requirement.specifier.contains(metadata.version(requirement.name), prereleases=True)
    except metadata.PackageNotFoundError:
        return False


def _requirements(given) -> list[Requirement]:
    if isinstance(given, (str, Requirement)):
        given = [given]
    return [each if isinstance(each, Requirement) else Requirement(each) for each in given]


def pip_ensure(requirements, *_arguments, **_keywords) -> None:
    """Raises RuntimeError where something is missing: Slicer would ask and install it."""
    missing = [str(each) for each in _requirements(requirements) if not _met(each)]
    if missing:
        pip_install(missing)


def pip_install(
    requirements, *_arguments, blocking=True, logCallback=None, completedCallback=None, **_keywords
) -> None:
    """Notes what was asked for and raises RuntimeError, or goes as planned where it is not waited for."""
    wanted = requirements.split() if isinstance(requirements, str) else [str(each) for each in requirements]
    asked.append(wanted)
    if blocking or not planned:
        raise RuntimeError(f"nothing is installed in tests; asked for: {' '.join(wanted)}")
    global _in_progress
    _in_progress = True
    lines, code = planned.pop(0)
    steps = [lambda line=line: logCallback(line) for line in lines] + [lambda: _complete(completedCallback, code)]
    for number, step in enumerate(steps):
        QtCore.QTimer.singleShot(_LINE_MS * (number + 1), step)


def _complete(callback, code: int) -> None:
    global _in_progress
    _in_progress = False
    callback(code)


def packaging_module() -> types.ModuleType:
    """The module `slicer.packaging`."""
    made = types.ModuleType("slicer.packaging")
    for function in (load_requirements, pip_check, pip_ensure, pip_install):
        setattr(made, function.__name__, function)
    made.pip_uninstall = pip_install
    made.isPipInstallInProgress = lambda: _in_progress
    return made


def translation_module() -> types.ModuleType:
    """The module `slicer.i18n`, in English."""
    made = types.ModuleType("slicer.i18n")
    made.tr = lambda text: text
    made.translate = lambda _context, text: text
    return made
