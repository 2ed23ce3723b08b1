"""Modal dialogs: shown, recorded and answered by the test, where a user would be waited for.

`answer(...)` says beforehand what the next dialogs get; a dialog without an answer is rejected (Cancel, No, Esc).
An answer is the text of a button or menu entry, the value typed or chosen, or a function that gets the dialog.
Signatures and results are PythonQt's: a text comes back alone, whether it was accepted goes into a `BoolResult`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from PySide6 import QtCore, QtGui, QtWidgets


@dataclass
class Shown:
    """One dialog that came up: its kind (the class or function), texts, buttons or entries, and what it got."""

    kind: str
    title: str = ""
    text: str = ""
    informative: str = ""
    details: str = ""
    choices: list[str] = field(default_factory=list)
    answer: object = None


class BoolResult:
    """What PythonQt takes for a `bool*` that a function writes to."""

    def __init__(self, value: bool = False):
        self._value = value

    def __bool__(self) -> bool:
        return self._value


shown: list[Shown] = []
_answers: list[object] = []
_UNANSWERED = object()


def answer(*values) -> None:
    """What the next dialogs get, in their order."""
    _answers.extend(values)


def forget() -> None:
    """Takes back what was recorded and what was not asked for."""
    shown.clear()
    _answers.clear()


def unused_answers() -> list[object]:
    """Answers that no dialog asked for."""
    return list(_answers)


def plain(text: str) -> str:
    """A button's text without its mnemonic: "&Save && close" is "Save & close"."""
    return text.replace("&&", "\0").replace("&", "").replace("\0", "&")


def _next() -> object:
    return _answers.pop(0) if _answers else _UNANSWERED


def install() -> None:
    """Replaces what waits for a user."""
    for cls in (QtWidgets.QDialog, *QtWidgets.QDialog.__subclasses__()):
        cls.exec = cls.exec_ = _run_dialog
    QtWidgets.QMenu.exec = QtWidgets.QMenu.exec_ = _run_menu
    box = QtWidgets.QMessageBox
    for name, icon in (
        ("information", box.Information),
        ("question", box.Question),
        ("warning", box.Warning),
        ("critical", box.Critical),
    ):
        setattr(box, name, staticmethod(_message_function(icon, default_yes_no=name == "question")))
    box.about = staticmethod(lambda parent, title, text: _message_function(box.Information)(parent, title, text))
    dialog = QtWidgets.QInputDialog
    dialog.getText = staticmethod(_get_text)
    dialog.getMultiLineText = staticmethod(_get_multi_line_text)
    dialog.getItem = staticmethod(_get_item)
    dialog.getInt = staticmethod(_get_int)
    dialog.getDouble = staticmethod(_get_double)
    files = QtWidgets.QFileDialog
    files.getOpenFileName = staticmethod(_file_function("QFileDialog.getOpenFileName", ""))
    files.getOpenFileNames = staticmethod(_file_function("QFileDialog.getOpenFileNames", ()))
    files.getSaveFileName = staticmethod(_file_function("QFileDialog.getSaveFileName", ""))
    files.getExistingDirectory = staticmethod(_file_function("QFileDialog.getExistingDirectory", ""))
    QtWidgets.QColorDialog.getColor = staticmethod(_get_color)


def _run_dialog(dialog: QtWidgets.QDialog) -> int:
    entry = Shown(type(dialog).__name__, dialog.windowTitle.strip())
    shown.append(entry)
    buttons = dialog.findChildren(QtWidgets.QAbstractButton)
    if isinstance(dialog, QtWidgets.QMessageBox):
        buttons = dialog.buttons()
        entry.text, entry.informative = dialog.text, dialog.informativeText
        entry.details = dialog.detailedText
    entry.choices = [plain(button.text) for button in buttons if button.text]
    dialog.setModal(True)
    dialog.show()
    QtWidgets.QApplication.processEvents()
    given = _next()
    entry.answer = None if given is _UNANSWERED else given
    if given is _UNANSWERED:
        given = _rejecting(dialog)
    if callable(given) and not isinstance(given, QtWidgets.QAbstractButton):
        given = given(dialog)
    result = _finish(dialog, given, buttons)
    dialog.hide()
    return result


def _finish(dialog: QtWidgets.QDialog, given: object, buttons) -> int:
    if isinstance(given, str):
        for button in buttons:
            if plain(button.text) == given:
                given = button
                break
        else:
            raise AssertionError(f"no button '{given}' among {[plain(button.text) for button in buttons]}")
    if isinstance(given, QtWidgets.QAbstractButton):
        given.click()
        if isinstance(dialog, QtWidgets.QMessageBox):
            return int(dialog.standardButton(given)) or dialog.buttons().index(given)
    elif given is not None:
        dialog.done(int(given))
    elif dialog.isVisible():
        dialog.reject()
    return dialog.result()


def _rejecting(dialog: QtWidgets.QDialog) -> object:
    if not isinstance(dialog, QtWidgets.QMessageBox):
        return QtWidgets.QDialog.Rejected
    roles = (QtWidgets.QMessageBox.RejectRole, QtWidgets.QMessageBox.NoRole)
    for role in roles:
        for button in dialog.buttons():
            if dialog.buttonRole(button) == role:
                return button
    return dialog.buttons()[-1] if dialog.buttons() else QtWidgets.QDialog.Rejected


def _run_menu(menu: QtWidgets.QMenu, *_position) -> QtGui.QAction | None:
    menu.aboutToShow.emit()
    actions = [action for action in menu.actions() if action.visible and not action.isSeparator()]
    entry = Shown("QMenu", menu.title, choices=[plain(action.text) for action in actions])
    shown.append(entry)
    given = _next()
    menu.aboutToHide.emit()
    if given is _UNANSWERED or given is None:
        return None
    entry.answer = given
    for action in actions:
        if plain(action.text) == given:
            if not action.enabled:
                raise AssertionError(f"the entry '{given}' is disabled")
            action.trigger()
            return action
    raise AssertionError(f"no entry '{given}' among {entry.choices}")


def _message_function(icon, default_yes_no: bool = False) -> Callable:
    def function(parent, title, text, buttons=None, default=None) -> int:
        box = QtWidgets.QMessageBox(parent)
        box.icon = icon
        box.windowTitle = title
        box.text = text
        standard = QtWidgets.QMessageBox
        box.setStandardButtons(buttons or (standard.Yes | standard.No if default_yes_no else standard.Ok))
        if default:
            box.setDefaultButton(default)
        return box.exec_()

    return function


def _value(kind: str, title: str, text: str, fallback, accepted: BoolResult | None = None, choices=()):
    entry = Shown(kind, title, text, choices=[str(choice) for choice in choices])
    shown.append(entry)
    given = _next()
    got = given is not _UNANSWERED and given is not None
    if accepted is not None:
        accepted._value = got
    entry.answer = given if got else None
    return given if got else fallback


def _get_text(_parent, title, label, _mode=0, _text="", ok=None, *_flags) -> str:
    return _value("QInputDialog.getText", title, label, "", ok)


def _get_multi_line_text(_parent, title, label, _text="", ok=None, *_flags) -> str:
    return _value("QInputDialog.getMultiLineText", title, label, "", ok)


def _get_item(_parent, title, label, items, current=0, _editable=True, ok=None, *_flags) -> str:
    # Qt returns the current entry where the dialog was cancelled
    return _value("QInputDialog.getItem", title, label, items[current], ok, items)


def _get_int(_parent, title, label, value=0, _minimum=None, _maximum=None, _step=1, ok=None, *_flags) -> int:
    return _value("QInputDialog.getInt", title, label, value, ok)


def _get_double(_parent, title, label, value=0.0, _minimum=None, _maximum=None, _decimals=1, ok=None, *_flags) -> float:
    return _value("QInputDialog.getDouble", title, label, value, ok)


def _file_function(kind: str, fallback) -> Callable:
    def function(_parent=None, caption="", directory="", filter="", *_rest):
        given = _value(kind, caption, str(filter), fallback)
        return tuple(map(str, given)) if isinstance(fallback, tuple) else str(given)

    return function


def _get_color(initial=QtCore.Qt.white, _parent=None, title="", *_options) -> QtGui.QColor:
    given = _value("QColorDialog.getColor", title, QtGui.QColor(initial).name(), None)
    return QtGui.QColor() if given is None else QtGui.QColor(given)
