"""Builds the module `qt` of Slicer: one namespace for QtCore, QtGui, QtWidgets and QtUiTools."""

from __future__ import annotations

import sys
import types

# before PySide6 is imported: enumerations are integers, with their values under their class
if "PySide6.QtCore" in sys.modules:
    raise RuntimeError("PySide6 was imported before the harness, which decides how its enumerations are made")
sys.pyside6_option_python_enum = 0x0B

from PySide6 import QtCore, QtGui  # noqa: E402

from . import conventions, dialogs  # noqa: E402


def module() -> types.ModuleType:
    """The module, on classes with PythonQt's conventions."""
    conventions.apply()
    dialogs.install()
    qt = types.ModuleType("qt", "Qt as Slicer's Python sees it.")
    for source in conventions.MODULES:
        for name in dir(source):
            if name.startswith("Q") or name in ("Signal", "Slot", "Property"):
                setattr(qt, name, getattr(source, name))
    # PySide keeps a second `Qt` with the functions of QtGui
    for name, value in vars(QtGui.Qt).items():
        if not name.startswith("_"):
            setattr(QtCore.Qt, name, value)
    qt.Qt = QtCore.Qt
    qt.SIGNAL = lambda text: f"2{text}"
    qt.SLOT = lambda text: f"1{text}"
    qt.BoolResult = dialogs.BoolResult
    return qt
