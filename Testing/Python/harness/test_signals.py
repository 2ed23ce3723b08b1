"""Signals and slots as in PythonQt."""

import gc

import pytest
import qt


@pytest.fixture
def button():
    return qt.QPushButton("x")


def test_both_ways_to_connect(button):
    calls = []
    button.connect("clicked()", lambda: calls.append("text"))
    button.clicked.connect(lambda: calls.append("attribute"))
    button.click()
    assert calls == ["text", "attribute"]


def test_a_signature_says_which_arguments_come(button):
    calls = []
    button.checkable = True
    button.connect("clicked()", lambda *arguments: calls.append(arguments))
    button.connect("clicked(bool)", lambda *arguments: calls.append(arguments))
    button.clicked.connect(lambda *arguments: calls.append(arguments))
    button.click()
    assert calls == [(), (True,), (True,)]


def test_functions_get_as_many_arguments_as_they_have_parameters():
    combo, calls = qt.QComboBox(), []
    combo.addItems(["a", "b"])
    combo.currentIndexChanged.connect(lambda: calls.append("none"))
    combo.currentIndexChanged.connect(lambda index: calls.append(index))
    combo.currentIndex = 1
    assert calls == ["none", 1]


def test_parameters_with_defaults_are_filled_too(button):
    rows = []
    button.clicked.connect(lambda row=7: rows.append(row))
    button.connect("clicked()", lambda row=7: rows.append(row))
    button.click()
    assert rows == [False, 7]


def test_functions_of_qt_get_all_arguments(button, expected_exceptions):
    dialog = qt.QDialog()
    button.clicked.connect(dialog.accept)
    button.click()
    assert dialog.result() == 0
    assert "takes no arguments" in expected_exceptions()[-1]
    button.clicked.disconnect()
    button.connect("clicked()", dialog.accept)
    button.click()
    assert dialog.result() == 1


def test_methods_are_kept_alive(button):
    class Listener:
        def listen(self):
            calls.append("heard")

    calls = []
    button.connect("clicked()", Listener().listen)
    gc.collect()
    button.click()
    assert calls == ["heard"]


def test_disconnect_one_or_all(button):
    calls = []

    def one():
        calls.append(1)

    def two():
        calls.append(2)

    for function in (one, two):
        button.connect("clicked()", function)
    assert button.disconnect("clicked()", one)
    button.click()
    assert not button.disconnect("clicked()", one)
    assert button.disconnect("clicked()")
    button.click()
    assert calls == [2]


def test_bound_methods_can_be_disconnected(button):
    class Listener:
        calls = 0

        def listen(self):
            self.calls += 1

    listener = Listener()
    button.clicked.connect(listener.listen)
    button.clicked.disconnect(listener.listen)
    button.click()
    assert listener.calls == 0


def test_unknown_signals_are_refused(button):
    with pytest.raises(ValueError, match="'pushed\\(\\)' does not exist on QPushButton"):
        button.connect("pushed()", print)
    with pytest.raises(AttributeError):
        button.pushed.connect(print)
    with pytest.raises(ValueError, match="no signature"):
        button.connect("clicked", print)


def test_exceptions_are_printed_and_go_on(button, expected_exceptions, capsys):
    calls = []
    button.connect("clicked()", lambda: 1 / 0)
    button.connect("clicked()", lambda: calls.append(1))
    button.click()
    assert calls == [1]
    assert "ZeroDivisionError" in expected_exceptions()[0]
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_timers(harness, expected_exceptions):
    calls = []
    timer = qt.QTimer()
    timer.interval = 1

    def tick():
        calls.append("tick")
        if calls.count("tick") == 1:
            raise KeyError("first")

    timer.connect("timeout()", tick)
    timer.start()
    qt.QTimer.singleShot(0, lambda: calls.append("once"))
    qt.QTimer.singleShot(5, lambda: calls.append("later"))
    assert harness.wait_until(lambda: calls.count("tick") > 2 and {"once", "later"} < set(calls))
    assert calls.count("later") == 1
    assert len(expected_exceptions()) == 1


def test_signals_of_qt_5_that_qt_6_dropped():
    combo, texts = qt.QComboBox(), []
    combo.addItems(["a", "b"])
    combo.connect("currentIndexChanged(QString)", texts.append)
    combo.currentIndex = 1
    assert texts == ["b"]


def test_overloads_are_chosen_by_their_signature():
    completer, texts = qt.QCompleter(["heart"]), []
    completer.connect("activated(QString)", lambda text: texts.append(text))
    completer.connect("activated(QModelIndex)", lambda index: texts.append(index.row()))
    completer.activated("heart")
    assert texts == ["heart"]


def test_signals_of_ones_own():
    class Source(qt.QObject):
        found = qt.Signal(object)

    source, got = Source(), []
    source.found.connect(got.append)
    source.found.emit({"a": 1})
    assert got == [{"a": 1}]


def test_models_tell_their_changes():
    model, calls = qt.QStandardItemModel(), []
    model.connect("rowsInserted(QModelIndex,int,int)", lambda parent, first, last: calls.append((first, last)))
    model.dataChanged.connect(lambda first, last: calls.append(first.row()))
    model.appendRow(qt.QStandardItem("a"))
    model.item(0).setText("b")
    assert calls == [(0, 0), 0]
