"""Dialogs are recorded and answered, none waits."""

import ctk
import pytest
import qt
import slicer


def test_questions_without_an_answer_are_declined(harness):
    assert not slicer.util.confirmYesNoDisplay("Remove?")
    assert not slicer.util.confirmOkCancelDisplay("Go on?")
    assert qt.QMessageBox.question(None, "title", "text") == qt.QMessageBox.No
    assert [shown.text for shown in harness.dialogs_shown()] == ["Remove?", "Go on?", "text"]


def test_answers_are_buttons_in_their_order(harness):
    harness.answer("Yes", "OK")
    assert slicer.util.confirmYesNoDisplay("Remove?")
    assert slicer.util.confirmOkCancelDisplay("Go on?")


def test_errors_are_recorded_with_their_details(harness):
    slicer.util.errorDisplay("It failed.", detailedText="line 1")
    shown = harness.dialogs_shown()[0]
    assert (shown.kind, shown.title, shown.text, shown.details) == (
        "ctkMessageBox",
        "Slicer error",
        "It failed.",
        "line 1",
    )


def test_buttons_of_ones_own(harness):
    box = ctk.ctkMessageBox()
    box.text = "There is one already."
    replace = box.addButton("&Replace", qt.QMessageBox.AcceptRole)
    box.addButton("Keep both", qt.QMessageBox.AcceptRole)
    box.addButton(qt.QMessageBox.Cancel)
    harness.answer("Replace", "Other")
    box.exec_()
    assert box.clickedButton() is replace
    assert harness.dialogs_shown()[0].choices == ["Replace", "Keep both", "Cancel"]
    with pytest.raises(AssertionError, match="no button 'Other'"):
        box.exec_()


def test_dialogs_of_ones_own_can_be_filled_in(harness):
    dialog = qt.QDialog()
    layout = qt.QVBoxLayout(dialog)
    name = qt.QLineEdit()
    accept = qt.QPushButton("Save")
    for widget in (name, accept):
        layout.addWidget(widget)
    accept.connect("clicked()", dialog.accept)

    def fill(shown):
        assert shown is dialog
        assert dialog.isVisible()
        name.text = "mine"
        return "Save"

    harness.answer(fill)
    assert dialog.exec_() == qt.QDialog.Accepted
    assert name.text == "mine"
    assert dialog.exec_() == qt.QDialog.Rejected


def test_texts_and_files_come_alone(harness):
    accepted = qt.BoolResult()
    harness.answer("my preset", None, "/tmp/a.nrrd")
    assert qt.QInputDialog.getText(None, "Save", "Name:", qt.QLineEdit.Normal, "", accepted) == "my preset"
    assert accepted
    assert qt.QInputDialog.getText(None, "Save", "Name:", qt.QLineEdit.Normal, "", accepted) == ""
    assert not accepted
    assert qt.QFileDialog.getSaveFileName(None, "Save", "", "*.nrrd") == "/tmp/a.nrrd"
    assert qt.QFileDialog.getOpenFileName(None, "Open") == ""
    assert qt.QFileDialog.getOpenFileNames(None, "Open") == ()


def test_menus(harness):
    menu = qt.QMenu()
    calls = []
    menu.addAction("&Abdomen").connect("triggered()", lambda: calls.append("abdomen"))
    menu.addAction("Brain").enabled = False
    harness.answer("Abdomen", "Brain")
    assert menu.exec_(qt.QCursor.pos()).text == "&Abdomen"
    assert calls == ["abdomen"]
    with pytest.raises(AssertionError, match="disabled"):
        menu.exec_()
    assert menu.exec_() is None


def test_testing_mode_shows_nothing(harness):
    harness.set_testing(True)
    slicer.util.errorDisplay("logged only")
    assert harness.dialogs_shown() == []
