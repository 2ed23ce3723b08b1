"""What tests call: install the stand-ins, open a module, act as the user does, wait, look."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_exceptions: list[str] = []


def install() -> None:
    """Puts `qt`, `ctk` and what slicer-core lacks of `slicer` into this process; a second call does nothing."""
    if "qt" in sys.modules:
        return
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from . import qt as qt_builder

    qt = qt_builder.module()
    sys.modules["qt"] = qt
    import slicer

    from . import application, ctk, mrml_widgets, node_combo_box, packaging, scripted, ui

    _take_away_shortcuts(slicer)
    application.create(slicer.vtkMRMLScene())
    sys.modules["ctk"] = ctk.module()
    for source in (application, mrml_widgets, node_combo_box, scripted):
        for name, value in vars(source).items():
            if name.startswith(("qMRML", "qSlicer")):
                setattr(slicer, name, value)
    ui.register(sys.modules["ctk"], slicer)
    qt.QUiLoader = ui.QUiLoader
    parameter_nodes = importlib.import_module(".parameter_nodes", __package__)
    for name, made in (
        ("ScriptedLoadableModule", scripted.module()),
        ("parameterNodeWrapper", parameter_nodes.module()),
        ("packaging", packaging.packaging_module()),
        ("i18n", packaging.translation_module()),
    ):
        sys.modules[f"slicer.{name}"] = made
        setattr(slicer, name, made)
    before = sys.excepthook

    def note(kind, value, trace) -> None:
        _exceptions.append("".join(traceback.format_exception(kind, value, trace)))
        before(kind, value, trace)

    sys.excepthook = note
    window = application.qSlicerMainWindow()
    slicer.app._windows.append(window)


def _take_away_shortcuts(slicer) -> None:
    """slicer-core puts the functions of slicer.util into slicer too; Slicer does not."""
    for name, value in list(vars(slicer).items()):
        if not name.startswith("_") and callable(value) and getattr(value, "__module__", "") == "slicer.util":
            delattr(slicer, name)


def _slicer():
    install()
    import slicer

    return slicer


def show() -> object:
    """Shows the main window; returns it."""
    window = _slicer().util.mainWindow()
    window.show()
    process_events()
    return window


def open_module(module: str | Path):
    """Loads a scripted module and shows its panel; returns the module's widget object.

    Args:
        module: the path of the module's file, or its name: then it is `<name>/<name>.py` in the checkout.
    """
    slicer = _slicer()
    path = Path(module) if str(module).endswith(".py") else ROOT / module / f"{module}.py"
    name = path.stem
    if slicer.app.moduleManager().module(name) is None:
        loaded = slicer.qSlicerScriptedLoadableModule(path)
        slicer.app._add_module(name, loaded)
        loaded._load()
    window = show()
    window.moduleSelector().selectModule(name)
    process_events()
    return slicer.util.getModuleWidget(name)


def close() -> None:
    """Leaves and unloads the modules, empties scene and settings, forgets dialogs and exceptions."""
    slicer = _slicer()
    from . import dialogs, scripted
    from .parameter_nodes import wrapper

    window = slicer.util.mainWindow()
    window.moduleSelector().selectModule("")
    manager = slicer.app.moduleManager()
    panels = []
    for name in manager.modulesNames():
        module = manager.module(name)
        if isinstance(module, scripted.qSlicerScriptedLoadableModule):
            slicer.app._remove_module(name)
            if module._widget is not None:
                panels.append(module._widget.self())
                module._widget.setParent(None)
                module._widget.deleteLater()
                module._widget = None
            sys.modules.pop(name, None)
    window.hide()
    wrapper.release_all()
    _clear_scene()
    slicer.app.layoutManager()._orient()
    slicer.app.userSettings().clear()
    slicer.app._testing = False
    process_events()
    panels.clear()
    dialogs.forget()
    _exceptions.clear()


def close_scene() -> None:
    """File / Close scene."""
    _slicer()
    _clear_scene()
    process_events()


def _clear_scene() -> None:
    """Empties the scene. Python's collector would clear functions that nodes, alive in C++, still call."""
    import slicer

    gc.disable()
    try:
        slicer.mrmlScene.Clear(0)
    finally:
        gc.enable()


def set_testing(testing: bool) -> None:
    """As if Slicer was started with --testing: messages are logged and agreed to, not shown."""
    _slicer().app._testing = testing


def answer(*values) -> None:
    """What the next modal dialogs get: the text of a button or entry, a value, or a function of the dialog."""
    _slicer()
    from . import dialogs

    dialogs.answer(*values)


def dialogs_shown() -> list:
    """The modal dialogs, messages and menus that came up, in their order."""
    _slicer()
    from . import dialogs

    return list(dialogs.shown)


def unused_answers() -> list:
    """Answers that no dialog asked for."""
    _slicer()
    from . import dialogs

    return dialogs.unused_answers()


def exceptions() -> list[str]:
    """Tracebacks of exceptions in slots, timers, observers and virtual functions, which Slicer prints and goes on."""
    return list(_exceptions)


def forget_exceptions() -> None:
    """Forgets the exceptions so far: for tests that provoke one."""
    _exceptions.clear()


def process_events() -> None:
    """Lets Qt do what is waiting, deletions too, as a return to the main loop does."""
    from PySide6 import QtCore, QtWidgets

    QtWidgets.QApplication.processEvents()
    QtCore.QCoreApplication.sendPostedEvents(None, int(QtCore.QEvent.DeferredDelete))


def wait_until(predicate: Callable[[], object], timeout: float = 60.0) -> bool:
    """Runs the event loop until the function gives a true value, or the seconds are over; whether it did."""
    end = time.monotonic() + timeout
    while True:
        process_events()
        if predicate():
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.002)


_KEYS = {
    "\n": "Key_Return",
    "\t": "Key_Tab",
    "\b": "Key_Backspace",
    "\x1b": "Key_Escape",
    "<Up>": "Key_Up",
    "<Down>": "Key_Down",
    "<Left>": "Key_Left",
    "<Right>": "Key_Right",
    "<Home>": "Key_Home",
    "<End>": "Key_End",
    "<PageUp>": "Key_PageUp",
    "<PageDown>": "Key_PageDown",
    "<Delete>": "Key_Delete",
    "<Esc>": "Key_Escape",
    "<Enter>": "Key_Return",
    "<Tab>": "Key_Tab",
}


def type_keys(widget, text: str) -> None:
    """Types into a widget as the user does: letters, and `\\n`, `<Down>`, `<Esc>`, `<Enter>`, `<Backspace>`... ."""
    from PySide6 import QtCore, QtTest

    widget.setFocus()
    process_events()
    for part in _parts(text):
        if part in _KEYS:
            QtTest.QTest.keyClick(widget, getattr(QtCore.Qt, _KEYS[part]))
        else:
            QtTest.QTest.keyClicks(widget, part)
        process_events()


def _parts(text: str):
    while text:
        special = next((name for name in _KEYS if text.startswith(name)), text[0])
        yield special
        text = text[len(special) :]


def click(target, position=None, double: bool = False, button: str = "Left") -> None:
    """Clicks on a widget, or on an index of an item view (`view, index` as a pair), with the mouse."""
    from PySide6 import QtCore, QtTest

    if isinstance(target, tuple):
        view, index = target
        view.scrollTo(index)
        position = view.visualRect(index).center()
        target = view.viewport()
    if not target.enabled:
        raise AssertionError("the widget is disabled")
    if not target.isVisible():
        raise AssertionError("the widget is not visible")
    act = QtTest.QTest.mouseDClick if double else QtTest.QTest.mouseClick
    arguments = (target, getattr(QtCore.Qt, f"{button}Button"), QtCore.Qt.NoModifier)
    act(*arguments, position) if position is not None else act(*arguments)
    process_events()


def hover(target) -> None:
    """Moves the mouse over a widget's middle, or over an index of an item view (`view, index` as a pair)."""
    from PySide6 import QtCore, QtGui, QtWidgets

    if isinstance(target, tuple):
        view, index = target
        view.scrollTo(index)
        place, target = view.visualRect(index).center(), view.viewport()
    else:
        place = target.rect.center()
    local, everywhere = QtCore.QPointF(place), QtCore.QPointF(target.mapToGlobal(place))
    none = QtCore.Qt.NoButton
    event = QtGui.QMouseEvent(QtCore.QEvent.MouseMove, local, everywhere, none, none, QtCore.Qt.NoModifier)
    QtWidgets.QApplication.sendEvent(target, event)
    process_events()


def leave(widget) -> None:
    """Moves the mouse off a widget; of an item view, off its viewport."""
    from PySide6 import QtCore, QtWidgets

    target = widget.viewport() if isinstance(widget, QtWidgets.QAbstractItemView) else widget
    QtWidgets.QApplication.sendEvent(target, QtCore.QEvent(QtCore.QEvent.Leave))
    process_events()


def pick(combo, text: str) -> None:
    """Picks an entry of a combo box, or of a node selector (its actions too), as the user does."""
    box = getattr(combo, "_combo", combo)
    index = box.findText(text)
    if index < 0:
        raise AssertionError(f"no entry '{text}' among {[box.itemText(row) for row in range(box.count)]}")
    box.setCurrentIndex(index)
    box.activated.emit(index)
    process_events()


def screenshot(path: str | Path | None = None, widget=None):
    """A picture of a widget, or of the main window; written as PNG if a path is given, and returned."""
    widget = widget or show()
    process_events()
    picture = widget.grab().toImage()
    if path is not None and not picture.save(str(path)):
        raise OSError(f"could not write {path}")
    return picture
