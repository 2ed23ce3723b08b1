"""The terms chosen to be segmented: a list with colours, in the order wanted, and presets."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..anatomy import knowledge_tree
from ..errors import InputError, SATError
from ..output.atomic import written
from .events import KeyFilter
from .presets import built_in
from .search_index import entry_of

_ROLE = qt.Qt.UserRole
_SETTING = "SlicerSAT/Presets"
_SWATCH = 14


@dataclass(frozen=True)
class Chosen:
    """A term chosen.

    Attributes:
        name: Of the segment; for free text, the text.
        term_id: In the knowledge tree; empty for free text.
        color: RGB as "#rrggbb", or empty for the recommended one.
    """

    name: str
    term_id: str = ""
    color: str = ""


class ChosenTerms:
    """The list.

    Args:
        changed: Called with the terms whenever they, their order or a colour changed.
    """

    def __init__(self, changed: Callable[[list[Chosen]], None]) -> None:
        self._changed = changed
        self.widget = qt.QWidget()
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        self.list = qt.QListWidget()
        self.list.objectName = "chosenTerms"
        self.list.selectionMode = qt.QAbstractItemView.ExtendedSelection
        self.list.dragDropMode = qt.QAbstractItemView.InternalMove
        self.list.minimumHeight = 60
        self.list.maximumHeight = 80
        self.list.toolTip = _("Drag to reorder, double-click for another colour, Delete removes.")
        self.list.connect("itemDoubleClicked(QListWidgetItem*)", self._edit_color)
        self.list.connect("itemSelectionChanged()", self._update_buttons)
        self.list.model().connect("rowsMoved(QModelIndex,int,int,QModelIndex,int)", lambda *_moved: self._tell())
        self._keys = KeyFilter(self._key)
        self.list.installEventFilter(self._keys)
        layout.addWidget(self.list)

        row = qt.QHBoxLayout()
        self.presets = qt.QToolButton()
        self.presets.objectName = "presets"
        self.presets.text = _("Presets")
        self.presets.popupMode = qt.QToolButton.InstantPopup
        self._menu = qt.QMenu(self.presets)
        self._menu.connect("aboutToShow()", self._fill_menu)
        self.presets.setMenu(self._menu)
        row.addWidget(self.presets)
        row.addStretch(1)
        self.remove_button = self._button(row, _("Remove"), self.remove_selected)
        self.clear_button = self._button(row, _("Clear"), self.clear)
        layout.addLayout(row)
        self._update_buttons()

    @property
    def terms(self) -> list[Chosen]:
        """In order."""
        return [Chosen(*self.list.item(row).data(_ROLE)) for row in range(self.list.count)]

    def set_terms(self, terms: Sequence[Chosen]) -> None:
        """Replaces the list, without a call of `changed`."""
        self.list.clear()
        for term in terms:
            self._append(term)
        self._update_buttons()

    def add(self, terms: Sequence[Chosen]) -> list[Chosen]:
        """Appends terms that are not in the list; returns those."""
        known = {(term.name, term.term_id) for term in self.terms}
        new = [term for term in dict.fromkeys(terms) if (term.name, term.term_id) not in known]
        for term in new:
            self._append(term)
        if new:
            self._tell()
        return new

    def remove_selected(self) -> None:
        """Removes what is selected."""
        for item in self.list.selectedItems():
            self.list.takeItem(self.list.row(item))
        self._tell()

    def clear(self) -> None:
        """Removes all."""
        self.list.clear()
        self._tell()

    def _append(self, term: Chosen) -> None:
        item = qt.QListWidgetItem(self.list)
        self._show(item, term)

    def _show(self, item, term: Chosen) -> None:
        item.setText(term.name if term.term_id else _("{text} (free text)").format(text=term.name))
        item.setData(_ROLE, [term.name, term.term_id, term.color])
        pixmap = qt.QPixmap(_SWATCH, _SWATCH)
        pixmap.fill(qt.QColor(color_of(term)))
        item.setIcon(qt.QIcon(pixmap))

    def _edit_color(self, item) -> None:
        term = Chosen(*item.data(_ROLE))
        color = qt.QColorDialog.getColor(
            qt.QColor(color_of(term)), self.widget, _("Colour of {name}").format(name=term.name)
        )
        if color.isValid():
            self._show(item, Chosen(term.name, term.term_id, color.name()))
            self._tell()

    def _key(self, key: int) -> bool:
        if key in (qt.Qt.Key_Delete, qt.Qt.Key_Backspace):
            self.remove_selected()
            return True
        return False

    def _button(self, row, text: str, pressed: Callable[[], None]):
        button = qt.QPushButton(text)
        button.connect("clicked()", pressed)
        row.addWidget(button)
        return button

    def _tell(self) -> None:
        self._update_buttons()
        self._changed(self.terms)

    def _update_buttons(self) -> None:
        self.remove_button.enabled = bool(self.list.selectedItems())
        self.remove_button.toolTip = "" if self.remove_button.enabled else _("Select a term in the list first.")
        self.clear_button.enabled = self.list.count > 0
        self.clear_button.toolTip = "" if self.clear_button.enabled else _("The list is empty.")

    # Presets

    def _fill_menu(self) -> None:
        self._menu.clear()
        for name, prompts in built_in().items():
            self._menu.addAction(name).connect("triggered()", lambda prompts=prompts: self.add(_terms_of(prompts)))
        own = read_presets()
        if own:
            self._menu.addSeparator()
        for name, terms in own.items():
            self._menu.addAction(name).connect("triggered()", lambda terms=terms: self.add(terms))
        self._menu.addSeparator()
        self._action(_("Save list as preset …"), self._save, self.list.count > 0)
        deleting = self._menu.addMenu(_("Delete preset"))
        deleting.enabled = bool(own)
        for name in own:
            deleting.addAction(name).connect("triggered()", lambda name=name: self._delete(name))
        self._action(_("Export presets …"), self._export, bool(own))
        self._action(_("Import presets …"), self._import, True)

    def _action(self, text: str, pressed: Callable[[], None], enabled: bool) -> None:
        action = self._menu.addAction(text)
        action.enabled = enabled
        action.connect("triggered()", pressed)

    def _save(self) -> None:
        name = qt.QInputDialog.getText(self.widget, _("Save preset"), _("Name of the preset:"))
        name = name.strip() if isinstance(name, str) else ""
        if not name:
            return
        presets = read_presets()
        if name in presets and not slicer.util.confirmYesNoDisplay(_("Replace the preset {name}?").format(name=name)):
            return
        write_presets(presets | {name: self.terms})

    def _delete(self, name: str) -> None:
        if slicer.util.confirmYesNoDisplay(_("Delete the preset {name}?").format(name=name)):
            write_presets({other: terms for other, terms in read_presets().items() if other != name})

    def _export(self) -> None:
        path = qt.QFileDialog.getSaveFileName(
            self.widget, _("Export presets"), "SAT-presets.json", _("Presets (*.json)")
        )
        if path:
            with slicer.util.tryWithErrorDisplay(_("The presets could not be written.")):
                export_presets(Path(path))

    def _import(self) -> None:
        path = qt.QFileDialog.getOpenFileName(self.widget, _("Import presets"), "", _("Presets (*.json)"))
        if path:
            with slicer.util.tryWithErrorDisplay(_("The presets could not be read.")):
                import_presets(Path(path))


def color_of(term: Chosen) -> str:
    """Its colour, chosen or recommended, as "#rrggbb"."""
    if term.color:
        return term.color
    entry = entry_of(knowledge_tree().named(term.term_id) or term.name)
    return "#{:02x}{:02x}{:02x}".format(*entry.color)


def read_presets() -> dict[str, list[Chosen]]:
    """The user's presets, of Slicer's settings; what is damaged is left out."""
    try:
        return _parsed(slicer.app.userSettings().value(_SETTING) or "{}")
    except SATError:
        return {}


def write_presets(presets: dict[str, list[Chosen]]) -> None:
    """Replaces the user's presets in Slicer's settings."""
    slicer.app.userSettings().setValue(_SETTING, _text(presets))


def export_presets(path: Path) -> None:
    """Writes the user's presets as JSON.

    Raises:
        SATError: The file cannot be written.
    """
    with written(path) as temporary:
        temporary.write_text(_text(read_presets()) + "\n", encoding="utf-8")


def import_presets(path: Path) -> None:
    """Adds presets of a file; those of the same name are kept and the file's get a number.

    Raises:
        InputError: The file cannot be read or holds no presets.
    """
    try:
        found = _parsed(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(_("{path} cannot be read: {error}.").format(path=path, error=error)) from error
    presets = read_presets()
    for name, terms in found.items():
        free, number = name, 2
        while free in presets and presets[free] != terms:
            free, number = f"{name} {number}", number + 1
        presets[free] = terms
    write_presets(presets)


def _text(presets: dict[str, list[Chosen]]) -> str:
    rows = {name: [[term.name, term.term_id, term.color] for term in terms] for name, terms in presets.items()}
    return json.dumps(rows, ensure_ascii=False)


def _parsed(text: str) -> dict[str, list[Chosen]]:
    try:
        rows = json.loads(text)
        return {str(name): [Chosen(*map(str, row)) for row in terms] for name, terms in rows.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(_("The file holds no presets of SlicerSAT; choose one that was exported here.")) from error


def _terms_of(prompts: Sequence[str]) -> list[Chosen]:
    tree = knowledge_tree()
    return [Chosen(term.name, term.id) for prompt in prompts if (term := tree.named(prompt))]
