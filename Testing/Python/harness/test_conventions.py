"""PythonQt's conventions, as read off a running Slicer."""

import enum
from typing import NamedTuple

import pytest
import qt


class Point(NamedTuple):
    name: str
    values: list


class Mode(str, enum.Enum):
    FAST = "fast"


def test_properties_are_read_and_written_without_a_call():
    button = qt.QPushButton("one")
    assert (button.text, button.enabled, button.checkable) == ("one", True, False)
    button.text = "two"
    button.enabled = False
    assert (button.text, button.isEnabled()) == ("two", False)


def test_setters_exist_beside_the_properties():
    edit = qt.QLineEdit()
    edit.setText("x")
    edit.setReadOnly(True)
    assert (edit.text, edit.readOnly) == ("x", True)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: qt.QComboBox(), "currentText"),
        (lambda: qt.QComboBox(), "count"),
        (lambda: qt.QLineEdit(), "text"),
        (lambda: qt.QListWidget(), "currentRow"),
        (lambda: qt.QTableWidget(), "rowCount"),
        (lambda: qt.QTreeWidget(), "topLevelItemCount"),
        (lambda: qt.QTreeWidget(), "columnCount"),
        (lambda: qt.QProgressBar(), "value"),
        (lambda: qt.QWidget(), "width"),
        (lambda: qt.QPushButton(), "sizeHint"),
    ],
)
def test_calling_a_property_fails(make, name):
    widget = make()
    with pytest.raises(TypeError, match="not callable"):
        getattr(widget, name)()


def test_what_is_no_property_stays_a_method():
    tree = qt.QTreeWidget()
    item = qt.QTreeWidgetItem(["a"])
    tree.addTopLevelItem(item)
    table = qt.QTableWidget(1, 1)
    table.setItem(0, 0, qt.QTableWidgetItem("cell"))
    combo = qt.QComboBox()
    combo.addItem("CT", "ct")
    assert (item.text(0), item.childCount(), table.item(0, 0).text()) == ("a", 0, "cell")
    assert (combo.itemData(0), combo.findData("ct"), combo.currentData) == ("ct", 0, "ct")
    assert (qt.QSize(3, 4).width(), qt.QColor("red").name()) == (3, "#ff0000")
    assert not tree.isVisible()
    assert tree.isEnabled()
    assert tree.parent() is None


def test_read_only_properties_can_not_be_written():
    with pytest.raises(AttributeError, match="not writable"):
        qt.QComboBox().count = 3


@pytest.mark.parametrize(
    ("write", "read", "value", "expected"),
    [
        (qt.QPushButton, "enabled", [], False),
        (qt.QPushButton, "enabled", "something", True),
        (qt.QLabel, "text", 5, "5"),
        (qt.QProgressBar, "value", 3.7, 3),
        (qt.QDoubleSpinBox, "value", 2, 2.0),
    ],
)
def test_values_are_converted_to_the_property(write, read, value, expected):
    widget = write()
    setattr(widget, read, value)
    assert getattr(widget, read) == expected


def test_values_that_do_not_fit_are_refused():
    with pytest.raises(AttributeError, match=r"does not accept an object of type str \('x'\)"):
        qt.QProgressBar().value = "x"


def test_enumerations_are_integers_under_their_class():
    assert isinstance(qt.Qt.AlignLeft, int)
    assert (qt.Qt.AlignLeft, qt.QSizePolicy.Expanding, qt.QEvent.KeyPress) == (1, 7, 6)
    assert qt.Qt.UserRole + 1 == 257
    assert qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable == 33
    label = qt.QLabel()
    label.alignment = qt.Qt.AlignRight
    assert label.alignment == 2
    label.setAlignment(qt.Qt.AlignLeft | qt.Qt.AlignTop)
    assert label.alignment & qt.Qt.AlignTop


def test_values_are_not_under_the_name_of_their_enumeration():
    with pytest.raises(AttributeError):
        _ = qt.Qt.AlignmentFlag.AlignLeft
    with pytest.raises(AttributeError):
        _ = qt.QSizePolicy.Policy.Expanding


def test_properties_take_integers_for_enumerations():
    label = qt.QLabel()
    label.alignment = 4
    assert label.alignment == qt.Qt.AlignHCenter


def test_new_attributes_on_widgets_of_qt_are_refused():
    with pytest.raises(AttributeError, match="creating new attributes on C"):
        qt.QLabel().mine = 1
    with pytest.raises(AttributeError, match="can not be overwritten"):
        qt.QLabel().show = 1


def test_classes_of_ones_own_have_attributes_but_can_not_hide_those_of_qt():
    class Panel(qt.QWidget):
        def __init__(self):
            qt.QWidget.__init__(self)
            self.mine = 1

    panel = Panel()
    panel.enabled = False
    assert (panel.mine, panel.isEnabled()) == (1, False)
    with pytest.raises(AttributeError, match="'layout' can not be overwritten"):
        panel.layout = 3


def test_single_shot_of_a_timer_is_no_property():
    timer = qt.QTimer()
    with pytest.raises(AttributeError):
        timer.singleShot = True
    timer.setSingleShot(True)
    timer.interval = 5
    assert (timer.isSingleShot(), timer.interval, timer.active) == (True, 5, False)


def test_object_names_are_names_and_children_are_found_by_them():
    parent = qt.QWidget()
    label = qt.QLabel("x", parent)
    label.name = "title"
    assert label.objectName == "title"
    assert parent.title is label
    assert parent.className() == "QWidget"
    with pytest.raises(AttributeError):
        _ = parent.subtitle


def test_dynamic_properties_are_attributes():
    label = qt.QLabel()
    label.setProperty("SlicerParameterName", "volume")
    assert label.SlicerParameterName == "volume"
    label.SlicerParameterName = "other"
    assert label.property("SlicerParameterName") == "other"


def test_tool_tips_come_back_as_paragraphs():
    button = qt.QPushButton()
    assert button.toolTip == ""
    button.toolTip = "Makes segments"
    assert button.toolTip == "<p>Makes segments</p>"
    button.setToolTip("<b>rich</b>")
    assert button.toolTip == "<b>rich</b>"


def test_lists_of_qt_are_tuples():
    view = qt.QListWidget()
    view.addItem("x")
    assert view.selectedItems() == ()
    assert isinstance(view.children(), tuple)
    assert isinstance(view.findChildren(qt.QWidget), tuple)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ({"b": 2, "a": [1, 2]}, {"a": (1, 2), "b": 2}),
        ({1: "x"}, {"1": "x"}),
        ([1, [2]], (1, (2,))),
        (Point("a", [1]), ("a", (1,))),
        (Mode.FAST, "fast"),
        (None, None),
        (2.5, 2.5),
    ],
)
def test_values_that_qt_keeps_come_back_as_pythonqt_gives_them(value, kept):
    role = qt.Qt.UserRole
    tree_item, list_item, item = qt.QTreeWidgetItem(["x"]), qt.QListWidgetItem("x"), qt.QStandardItem("x")
    combo, action, widget = qt.QComboBox(), qt.QAction("x", None), qt.QWidget()
    tree_item.setData(0, role, value)
    list_item.setData(role, value)
    item.setData(value, role)
    combo.addItem("x", value)
    action.setData(value)
    widget.setProperty("mine", value)
    found = (tree_item.data(0, role), list_item.data(role), item.data(role), combo.itemData(0), combo.currentData)
    assert found == (kept,) * 5
    assert (action.data(), widget.property("mine")) == (kept, kept)
    assert {type(each) for each in found} == {type(kept)}


def test_python_objects_are_kept_as_they_are():
    thing = object()
    item = qt.QListWidgetItem("x")
    item.setData(qt.Qt.UserRole, thing)
    assert item.data(qt.Qt.UserRole) is thing


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: qt.QCheckBox(), "checkStateChanged"),
        (lambda: qt.QFormLayout(), "setRowVisible"),
        (lambda: qt.QPalette(), "Accent"),
        (lambda: qt.QSortFilterProxyModel(), "autoAcceptChildRows"),
        (lambda: qt.QSize(1, 2), "toTuple"),
    ],
)
def test_what_came_after_qt_5_15_is_missing(make, name):
    assert not hasattr(make(), name)


def test_methods_that_qt_6_made_properties_are_methods():
    layout = qt.QVBoxLayout()
    layout.setContentsMargins(1, 2, 3, 4)
    assert layout.contentsMargins().left() == 1
    assert qt.QTreeWidget().header().sectionsMovable() is True


def test_subclasses_are_called_by_qt(harness):
    class Names(qt.QAbstractListModel):
        def rowCount(self, parent=None):
            return 12000

        def data(self, index, role=qt.Qt.DisplayRole):
            return f"row {index.row()}" if role == qt.Qt.DisplayRole else None

    class Delegate(qt.QStyledItemDelegate):
        painted = 0

        def paint(self, painter, option, index):
            Delegate.painted += 1
            qt.QStyledItemDelegate.paint(self, painter, option, index)

        def sizeHint(self, option, index):
            return qt.QSize(50, 30)

    view, model, delegate = qt.QListView(), Names(), Delegate()
    view.setModel(model)
    view.setItemDelegate(delegate)
    view.show()
    harness.process_events()
    view.grab()
    assert Delegate.painted > 3
    assert view.visualRect(model.index(0, 0)).height() == 30


def test_keys_arrive_in_event_filters_and_subclasses(harness):
    class Filter(qt.QObject):
        def eventFilter(self, watched, event):
            if event.type() == qt.QEvent.KeyPress and event.key() == qt.Qt.Key_Down:
                seen.append("down")
                return True
            return False

    class Field(qt.QLineEdit):
        def keyPressEvent(self, event):
            seen.append(event.key())
            qt.QLineEdit.keyPressEvent(self, event)

    seen = []
    field, keys = Field(), Filter()
    field.installEventFilter(keys)
    field.show()
    harness.type_keys(field, "a<Down>b")
    assert seen == [qt.Qt.Key_A, "down", qt.Qt.Key_B]
    assert (field.text, field.focus) == ("ab", True)


def test_a_size_hint_of_ones_own_counts():
    class Wide(qt.QLabel):
        def sizeHint(self):
            return qt.QSize(321, 20)

    outer = qt.QWidget()
    layout = qt.QHBoxLayout(outer)
    wide = Wide()
    layout.addWidget(wide)
    assert outer.sizeHint.width() >= 321
    assert wide.sizeHint().width() == 321
