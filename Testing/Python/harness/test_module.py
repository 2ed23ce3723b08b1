"""A scripted module with a .ui file and a parameter node, opened, used, saved and looked at."""

import sys

import numpy as np
import pytest
import qt
import slicer

from .conftest import EXAMPLE


def listed(example):
    return [example.ui.list.item(row).text() for row in range(example.ui.list.count)]


@pytest.fixture
def volume():
    return slicer.util.addVolumeFromArray(np.zeros((4, 5, 6), np.int16), name="CTChest")


def test_the_module_is_known(example):
    module = slicer.modules.harnessexample
    assert (module.name, module.title, module.categories) == ("HarnessExample", "Harness example", ("Testing",))
    assert "online documentation" in module.helpText
    assert slicer.util.modulePath("HarnessExample") == str(EXAMPLE)
    assert slicer.util.getModuleWidget("HarnessExample") is example is slicer.modules.HarnessExampleWidget
    assert slicer.util.getModuleLogic("HarnessExample") is example.logic
    assert "HarnessExample" in slicer.util.moduleNames()
    assert slicer.util.selectedModule() == "HarnessExample"


def test_words_are_typed_and_kept(example, harness):
    harness.type_keys(example.search, "heart\n")
    harness.type_keys(example.search, "liver<Enter>")
    harness.type_keys(example.search, "heart\n")
    assert listed(example) == ["heart x 2", "liver x 1"]
    assert example.ui.list.item(0).data(qt.Qt.UserRole) == {"text": "heart", "count": 2}
    assert example.search.text == ""


def test_a_button_is_disabled_until_there_is_a_volume(example, harness, volume):
    with pytest.raises(AssertionError, match="disabled"):
        harness.click(example.ui.applyButton)
    assert example.ui.applyButton.toolTip == "<p>Choose a volume first</p>"
    harness.pick(example.ui.volumeSelector, "CTChest")
    assert example.parameterNode.volume is volume
    assert example.ui.applyButton.enabled


def test_run_to_segments(example, harness, volume):
    harness.type_keys(example.search, "heart\n")
    harness.pick(example.ui.volumeSelector, "CTChest")
    harness.pick(example.ui.outputSelector, "Create new Segmentation")
    harness.click(example.ui.applyButton)
    assert example.ui.result.text == "1 segments"
    assert example.parameterNode.output.GetSegmentation().GetNthSegment(0).GetName() == "heart"


def test_an_error_is_shown_in_words(example, harness, volume, expected_exceptions):
    harness.pick(example.ui.volumeSelector, "CTChest")
    harness.click(example.ui.applyButton)
    shown = harness.dialogs_shown()[0]
    assert shown.text.startswith("Could not make segments.")
    assert "ValueError" in shown.details
    assert len(expected_exceptions()) == 1


def test_sections_of_the_ui_file(example, harness):
    assert example.ui.advancedButton.collapsed
    with pytest.raises(AssertionError, match="not visible"):
        harness.click(example.ui.automatic)
    harness.click(example.ui.advancedButton, qt.QPoint(30, 8))
    harness.click(example.ui.automatic, qt.QPoint(8, 8))
    assert example.parameterNode.automatic is False


def test_state_comes_back_with_the_scene(example, harness, volume, tmp_path):
    harness.type_keys(example.search, "heart\n")
    harness.pick(example.ui.volumeSelector, "CTChest")
    example.ui.device.currentIndex = 1
    example.ui.threshold.value = 0.75
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    harness.close_scene()
    assert (listed(example), example.ui.device.currentText) == ([], "cpu")
    assert example.ui.volumeSelector.currentNode() is None
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert listed(example) == ["heart x 1"]
    assert (example.ui.device.currentText, example.ui.threshold.value) == ("cuda", 0.75)
    assert example.ui.volumeSelector.currentNode().GetName() == "CTChest"
    assert example.parameterNode.volume is example.ui.volumeSelector.currentNode()


def test_leaving_and_entering(example, harness):
    slicer.util.selectModule("")
    assert example.parameterNode is None
    assert harness.open_module(EXAMPLE) is example
    assert example.entered == 2
    assert example.parameterNode is not None


def test_unloading_cleans_up(example, harness):
    harness.close()
    assert example.cleaned
    assert not hasattr(slicer.modules, "harnessexample")
    assert "HarnessExample" not in sys.modules


def test_reload(example, harness):
    slicer.util.reloadScriptedModule("HarnessExample")
    fresh = slicer.util.getModuleWidget("HarnessExample")
    assert fresh is not example
    assert example.cleaned
    harness.type_keys(fresh.search, "heart\n")
    assert listed(fresh) == ["heart x 1"]


def test_the_modules_own_test_runs(example):
    slicer.selfTests["HarnessExample"]()
    assert slicer.modules.testRan


def test_a_picture_shows_text(example, harness, tmp_path):
    harness.screenshot(tmp_path / "panel.png")
    picture = qt.QImage(str(tmp_path / "panel.png"))
    assert (picture.width(), picture.height()) == (440, 900)
    label = example.ui.volumeLabel
    place = label.mapTo(slicer.util.mainWindow(), qt.QPoint(0, 0))
    assert dark_pixels(picture, qt.QRect(place, label.size)) > 40
    label.text = ""
    assert dark_pixels(harness.screenshot(), qt.QRect(place, label.size)) == 0


def dark_pixels(picture, rect):
    """The number of pixels of letters in a part of a picture."""
    columns, rows = range(rect.left(), rect.right()), range(rect.top(), rect.bottom())
    return sum(qt.QColor(picture.pixel(x, y)).lightness() < 100 for x in columns for y in rows)


def test_resting_with_the_mouse(harness):
    tree = qt.QTreeWidget()
    tree.mouseTracking = True
    tree.addTopLevelItem(qt.QTreeWidgetItem(["liver"]))
    seen = []
    tree.connect("itemEntered(QTreeWidgetItem*,int)", lambda item, column: seen.append(item.text(0)))
    tree.show()
    harness.hover((tree, tree.model().index(0, 0)))
    assert seen == ["liver"]
