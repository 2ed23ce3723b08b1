"""Where terms are found: a search field, its results, and the knowledge tree to browse."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import qt
from slicer.i18n import tr as _

from ..anatomy import KnowledgeTree, Term, TermIndex, Vocabulary
from ..anatomy.groups import GROUPS, REGION, SYSTEM
from ..anatomy.search import FREE_TEXT, GROUP, TERM, TRAINED_TEXT, Hit
from .events import KeyFilter, LeaveFilter

HOVER_MS = 150
_BADGES = {"ct": "CT", "mri": "MR", "pet": "PET", "us": "US"}
_NAME, _ABOUT, _TRAINED, _ADD = range(4)
_ROLE = qt.Qt.UserRole
_FILLED = qt.Qt.UserRole + 1


class TermPicker:
    """The picker.

    Args:
        tree: The terms.
        index: Gives their search; asked on the first letter, so that the panel opens without it.
        add: Called with the terms, or the free text, to add.
        add_group: Called with a group's name and its trained terms.
        hover: Called with the term or text the user rests on, or None.
    """

    def __init__(
        self,
        tree: KnowledgeTree,
        index: Callable[[], TermIndex],
        add: Callable[[Term | str], None],
        add_group: Callable[[str, list[Term]], None],
        hover: Callable[[Term | str | None], None],
    ) -> None:
        self._tree, self._index = tree, index
        self._add, self._add_group, self._hover = add, add_group, hover
        self._vocabulary: Vocabulary | None = None
        self._modality: str | None = None
        self._known: frozenset[str] = frozenset()  # trained for the modality
        self._shown: frozenset[str] | None = None  # these and what is above them; None for all
        self._hits: list[Hit] = []
        self._rests_on: Term | str | None = None
        self._filters: list = []  # Qt does not keep them alive

        self.widget = qt.QWidget()
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        self.field = qt.QLineEdit()
        self.field.objectName = "termSearch"
        self.field.placeholderText = _("Search a structure: liver, rt kidney, L3, IVC …")
        self.field.clearButtonEnabled = True
        self.field.toolTip = _("Type, choose with the arrow keys, add with Enter; Esc clears.")
        self.field.connect("textChanged(QString)", self._typed)
        layout.addWidget(self.field)
        self._keys = KeyFilter(self._key)
        self.field.installEventFilter(self._keys)

        row = qt.QHBoxLayout()
        self.grouping = qt.QComboBox()
        self.grouping.objectName = "termGrouping"
        self.grouping.addItem(_("By region"), REGION)
        self.grouping.addItem(_("By system"), SYSTEM)
        self.grouping.connect("currentIndexChanged(int)", lambda _index: self._fill_tree())
        row.addWidget(self.grouping)
        self.only_known = qt.QCheckBox(_("Only what this model knows"))
        self.only_known.objectName = "termOnlyKnown"
        self.only_known.checked = True
        self.only_known.toolTip = _(
            "Show only terms that the chosen model was trained on for this modality. Other terms can be asked for "
            "as free text, with less to be expected."
        )
        self.only_known.connect("toggled(bool)", lambda _on: self._refresh())
        row.addWidget(self.only_known)
        row.addStretch(1)
        layout.addLayout(row)

        self.pages = qt.QStackedWidget()
        self.browser = self._list("termTree", indented=True)
        self.browser.connect("itemExpanded(QTreeWidgetItem*)", self._expanded)
        self.results = self._list("termResults", indented=False)
        self.pages.addWidget(self.browser)
        self.pages.addWidget(self.results)
        layout.addWidget(self.pages)

        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.interval = HOVER_MS
        self._timer.connect("timeout()", self._rested)

    def set_vocabulary(self, vocabulary: Vocabulary | None, modality: str | None) -> None:
        """What the chosen model knows, and the volume's modality."""
        self._vocabulary, self._modality = vocabulary, modality
        self._refresh()

    def stop_hover(self) -> None:
        """Nothing is rested on any more."""
        self._timer.stop()
        if self._rests_on is not None:
            self._rests_on = None
            self._hover(None)

    def _list(self, name: str, indented: bool):
        view = qt.QTreeWidget()
        view.objectName = name
        view.columnCount = 4
        view.headerHidden = True
        view.rootIsDecorated = indented
        view.uniformRowHeights = True
        view.mouseTracking = True
        view.minimumHeight = 150
        view.selectionMode = qt.QAbstractItemView.SingleSelection
        view.horizontalScrollBarPolicy = qt.Qt.ScrollBarAlwaysOff
        header = view.header()
        header.stretchLastSection = False
        header.setSectionResizeMode(_NAME, qt.QHeaderView.Stretch)
        for column in (_ABOUT, _TRAINED, _ADD):
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        view.connect("itemDoubleClicked(QTreeWidgetItem*,int)", lambda item, column: self._chosen(item))
        view.connect("itemClicked(QTreeWidgetItem*,int)", self._clicked)
        view.connect("itemEntered(QTreeWidgetItem*,int)", lambda item, column: self._entered(item))
        leave = LeaveFilter(self.stop_hover)
        view.viewport().installEventFilter(leave)
        keys = KeyFilter(lambda key: self._view_key(view, key))
        view.installEventFilter(keys)
        self._filters += [leave, keys]
        return view

    def _refresh(self) -> None:
        known = [term for term in self._tree if self._knows(term)]
        self._known = frozenset(term.id for term in known)
        above = {above.id for term in known for above in self._tree.ancestors(term.id)}
        self._shown = self._known | above if self.only_known.checked and self._vocabulary else None
        self._fill_tree()
        self._typed(self.field.text)

    def _knows(self, term: Term) -> bool:
        modalities = self._vocabulary.modalities(term) if self._vocabulary else ()
        return bool(modalities) and (self._modality is None or self._modality in modalities)

    # Search

    def _typed(self, text: str) -> None:
        self.stop_hover()
        if not text.strip():
            self.pages.currentIndex = 0
            return
        self._hits = [hit for hit in self._find(text) if hit.kind != GROUP]
        self.results.clear()
        for hit in self._hits:
            item = qt.QTreeWidgetItem(self.results)
            self._show_hit(item, hit)
        if self._hits:
            self.results.setCurrentItem(self.results.topLevelItem(0))
        self.pages.currentIndex = 1

    def _find(self, text: str) -> Iterable[Hit]:
        hits = self._index().search(text, self._vocabulary, self._modality, 60 if self._shown else 20)
        if self._shown is None:
            return hits
        known = [hit for hit in hits if hit.kind == TRAINED_TEXT or (hit.kind == TERM and self._knows(hit.term))]
        exact = hits and hits[-1].kind != FREE_TEXT and hits[0] in known
        return known[:20] if exact else [*known[:19], Hit(FREE_TEXT, " ".join(text.lower().split()))]

    def _show_hit(self, item, hit: Hit) -> None:
        if hit.kind == FREE_TEXT:
            item.setText(_NAME, _('"{text}"').format(text=hit.name))
            item.setText(_ABOUT, _("free text"))
            item.setToolTip(_NAME, _("Ask the model for this text as it is, though it is no term of the tree."))
            item.setData(_NAME, _ROLE, f"text:{hit.name}")
        elif hit.kind == TRAINED_TEXT:
            item.setText(_NAME, hit.name)
            item.setText(_ABOUT, _("the model's own"))
            item.setData(_NAME, _ROLE, f"text:{hit.name}")
        else:
            item.setText(_NAME, hit.name)
            item.setText(_ABOUT, hit.matched or (hit.path[-1] if hit.path else ""))
            item.setToolTip(_NAME, " › ".join((*hit.path, hit.name)))
            item.setData(_NAME, _ROLE, hit.term.id)
        self._finish(item, hit.trained)

    def _finish(self, item, trained: Iterable[str], addable: bool = True) -> None:
        grey = self.widget.palette.color(qt.QPalette.Disabled, qt.QPalette.Text)
        item.setForeground(_ABOUT, qt.QBrush(grey))
        item.setText(_TRAINED, " ".join(_BADGES[modality] for modality in trained))
        if addable:
            item.setText(_ADD, "+")
            item.setToolTip(_ADD, _("Add"))

    def _key(self, key: int) -> bool:
        """Keys of the search field; whether the key is used up."""
        count = self.results.topLevelItemCount
        if key == qt.Qt.Key_Escape:
            self.stop_hover()
            self.field.clear()
            return True
        if self.pages.currentIndex != 1 or not count:
            return False
        if key in (qt.Qt.Key_Down, qt.Qt.Key_Up):
            step = 1 if key == qt.Qt.Key_Down else -1
            row = self.results.indexOfTopLevelItem(self.results.currentItem()) + step
            item = self.results.topLevelItem(min(max(row, 0), count - 1))
            self.results.setCurrentItem(item)
            self._entered(item)
            return True
        if key in (qt.Qt.Key_Return, qt.Qt.Key_Enter):
            self._chosen(self.results.currentItem())
            self.field.selectAll()
            return True
        return False

    def _view_key(self, view, key: int) -> bool:
        if key in (qt.Qt.Key_Return, qt.Qt.Key_Enter) and view.currentItem():
            self._chosen(view.currentItem())
            return True
        if key == qt.Qt.Key_Escape:
            self.stop_hover()
            return True
        return False

    # Tree

    def _fill_tree(self) -> None:
        self.browser.clear()
        for group in self._tree.roots(self.grouping.currentData):
            if self._any_shown(group.id):
                self._group_item(self.browser, group.id, group.name)

    def _any_shown(self, key: str) -> bool:
        return self._shown is None or any(term.id in self._known for term in self._tree.members(key))

    def _group_item(self, parent, key: str, name: str) -> None:
        item = qt.QTreeWidgetItem(parent)
        item.setText(_NAME, name)
        item.setData(_NAME, _ROLE, f"group:{key}")
        item.setChildIndicatorPolicy(qt.QTreeWidgetItem.ShowIndicator)
        known = self._vocabulary.trained_descendants(self._tree, key, self._modality) if self._vocabulary else ()
        item.setText(_ABOUT, str(len(known)) if known else "")
        self._finish(item, (), addable=bool(known))

    def _term_item(self, parent, term: Term) -> None:
        item = qt.QTreeWidgetItem(parent)
        item.setText(_NAME, term.name)
        item.setData(_NAME, _ROLE, term.id)
        item.setToolTip(_NAME, ", ".join(term.synonyms[:6]))
        if self._children(term):
            item.setChildIndicatorPolicy(qt.QTreeWidgetItem.ShowIndicator)
        self._finish(item, self._vocabulary.modalities(term) if self._vocabulary else ())

    def _children(self, term: Term) -> list[Term]:
        return self._filtered(child for _, child in self._tree.children(term.id))

    def _filtered(self, terms: Iterable[Term]) -> list[Term]:
        return [term for term in terms if self._shown is None or term.id in self._shown]

    def _expanded(self, item) -> None:
        if item.data(_NAME, _FILLED):
            return
        item.setData(_NAME, _FILLED, True)
        key = item.data(_NAME, _ROLE)
        if not key.startswith("group:"):
            for child in self._children(self._tree[key]):
                self._term_item(item, child)
            return
        key = key.partition(":")[2]
        if "/" in key:
            for term in self._filtered(self._tree.top(key)):
                self._term_item(item, term)
            return
        for section in self._tree.sections(GROUPS[key]):
            if self._any_shown(section):
                self._group_item(item, section, GROUPS[section.partition("/")[2]].name)

    # Choosing

    def _clicked(self, item, column: int) -> None:
        if column == _ADD and item.text(_ADD):
            self._chosen(item)

    def _chosen(self, item) -> None:
        what = self._meant(item)
        if isinstance(what, (Term, str)):
            self._add(what)
        elif what is not None:
            name, key = what
            terms = self._vocabulary.trained_descendants(self._tree, key, self._modality) if self._vocabulary else []
            if terms:
                self._add_group(name, terms)

    def _meant(self, item) -> Term | str | tuple[str, str] | None:
        """The term, the free text, or (name, key) of the group that an item stands for."""
        if item is None:
            return None
        key = item.data(_NAME, _ROLE)
        kind, _colon, rest = key.partition(":")
        if kind == "text":
            return rest
        if kind == "group":
            return item.text(_NAME), rest
        return self._tree[key]

    def _entered(self, item) -> None:
        what = self._meant(item)
        if what == self._rests_on:
            return
        self.stop_hover()
        if isinstance(what, (Term, str)):
            self._rests_on = what
            self._timer.start()

    def _rested(self) -> None:
        if self._rests_on is not None:
            self._hover(self._rests_on)
