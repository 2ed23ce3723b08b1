"""SATSegment's panel: real Qt, a real scene, the real worker and the built-in model."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from Testing import Harness

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.usefixtures("application")


@pytest.fixture
def chest(widget):
    """A volume, with a region that one window holds, so that runs take a moment."""
    import slicer
    from Testing.panel import load_chest

    region = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "part")
    region.SetCenterWorld(20, 0, -250)
    region.SetSizeWorld(160, 200, 100)
    widget._parameterNode.inputVolume = load_chest()
    widget._parameterNode.region = region
    Harness.process_events()
    return widget._parameterNode.inputVolume


@pytest.fixture
def composite(widget):
    """What the only slice view shows."""
    import slicer

    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLScene(slicer.mrmlScene)
    logic.AddSliceNode("Red")
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")


def type_in(panel, keys):
    Harness.type_keys(panel.picker.field, keys)


def results_of(panel):
    return [panel.picker.results.topLevelItem(i).text(0) for i in range(panel.picker.results.topLevelItemCount)]


def names(panel):
    return [term.name for term in panel.chosen.terms]


def add(panel, *wanted):
    for name in wanted:
        type_in(panel, f"{name}<Enter>")
    type_in(panel, "<Esc>")


def run(panel):
    Harness.click(panel.ui.runButton)
    assert panel.session.busy, panel.ui.errorText.text
    assert Harness.wait_until(lambda: not panel.session.busy, 180)


def segments(widget):
    node = widget._parameterNode.outputSegmentation
    found = node.GetSegmentation() if node else None
    return [found.GetNthSegment(i).GetName() for i in range(found.GetNumberOfSegments())] if found else []


def segmentation_nodes():
    import slicer

    nodes = slicer.mrmlScene.GetNodesByClass("vtkMRMLSegmentationNode")
    nodes.UnRegister(None)
    found = [nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems())]
    return [node.GetName() for node in found if not node.GetHideFromEditors()]


def drawn(volume, *names):
    """A segmentation of boxes, as a run would put them, without a run."""
    import numpy as np
    import slicer

    from SATSegmentLib.anatomy import coded_entry
    from SATSegmentLib.imaging import Mask
    from SATSegmentLib.mrml import SegmentWriter, volume_of
    from SATSegmentLib.mrml.segments import CONFIDENCE_TAG, MEASURED_TAG
    from SATSegmentLib.widgets.asked import Asked
    from SATSegmentLib.widgets.rows import noted, row_of

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "drawn")
    writer = SegmentWriter(node, volume)
    image = volume_of(volume)
    for number, name in enumerate(names):
        mask = Mask(image.shape, (15 * number, 20, 10), np.ones((10, 10, 5), bool))
        term = Asked(name, name, coded_entry(name))
        segment_id = writer.put(name, term.entry, mask, {CONFIDENCE_TAG: "0.9"})
        writer.note(segment_id, MEASURED_TAG, noted(row_of(image, term, mask, 0.9, 1.5, segment_id)))
    return node


def test_opening_it_imports_nothing_heavy_and_works_without_it():
    code = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "SATSegment")!r}]

absent = "torch transformers tokenizers safetensors nibabel rapidfuzz psutil platformdirs matplotlib networkx".split()

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ImportError(name)

from Testing import Harness
Harness.install()
sys.meta_path.insert(0, Absent())
import importlib.metadata
find = importlib.metadata.version
def version(name):
    if name in absent:
        raise importlib.metadata.PackageNotFoundError(name)
    return find(name)
importlib.metadata.version = version
widget = Harness.open_module("SATSegment")
Harness.type_keys(widget.panel.picker.field, "kid")
print(widget.panel.picker.results.topLevelItemCount > 0, "torch" in sys.modules, Harness.exceptions())
print(widget.ui.runButton.toolTip)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "True False []" in result.stdout, result.stderr[-2000:]
    assert "Install what is missing first, under Setup: torch, nibabel" in result.stdout


def test_terms_are_found_and_added_by_keyboard_alone(panel, chest):
    type_in(panel, "rt lu")
    assert results_of(panel)[0] == "right lung"
    type_in(panel, "<Enter>")
    assert names(panel) == ["right lung"]
    type_in(panel, "<Esc>")
    assert panel.picker.field.text == ""
    type_in(panel, "vertebrae<Down>")
    second = panel.picker.results.currentItem().text(0)
    assert second == results_of(panel)[1]
    type_in(panel, "<Enter>")
    assert names(panel) == ["right lung", second]
    type_in(panel, "<Enter>")  # again: it is there already
    assert len(names(panel)) == 2


def test_only_what_the_model_knows_is_shown_unless_one_wants_more(panel, chest):
    type_in(panel, "axillary")
    assert results_of(panel) == ['"axillary"']
    Harness.click(panel.picker.only_known)
    assert "axillary artery" in results_of(panel)
    type_in(panel, "<Esc>flux capacitor<Enter>")
    assert names(panel) == ["flux capacitor"]
    assert "free text" in panel.chosen.list.item(0).text()


def test_the_tree_is_filled_as_it_is_opened(panel, chest):
    browser = panel.picker.browser
    groups = {browser.topLevelItem(i).text(0): browser.topLevelItem(i) for i in range(browser.topLevelItemCount)}
    thorax = groups["Thorax"]
    assert thorax.childCount() == 0
    thorax.setExpanded(True)
    sections = [thorax.child(i) for i in range(thorax.childCount())]
    assert "Respiratory system" in [section.text(0) for section in sections]
    panel.picker.grouping.currentIndex = 1
    assert "Heart and vessels" in [browser.topLevelItem(i).text(0) for i in range(browser.topLevelItemCount)]


def test_a_group_adds_its_terms_after_saying_how_many(panel, chest):
    browser = panel.picker.browser
    (spine,) = (
        browser.topLevelItem(i) for i in range(browser.topLevelItemCount) if browser.topLevelItem(i).text(0) == "Spine"
    )
    count = int(spine.text(1))
    assert count > 3
    Harness.answer("Cancel")
    panel.picker._chosen(spine)
    assert names(panel) == []
    assert f"all {count} terms of Spine" in Harness.dialogs_shown()[-1].text
    Harness.answer("OK")
    panel.picker._chosen(spine)
    assert len(names(panel)) == count


def test_a_run_gives_coded_coloured_segments_and_results(widget, panel, chest, tmp_path):
    add(panel, "rt lung", "left lung", "spinal cord")
    run(panel)
    assert segments(widget) == ["right lung", "left lung", "spinal cord"]
    first = widget._parameterNode.outputSegmentation.GetSegmentation().GetNthSegment(0)
    assert "SCT^39607008^Lung~SCT^24028007^Right" in first.GetTerminology()
    table = panel.results.table
    assert [table.item(row, 0).text().removesuffix(" ⚠") for row in range(table.rowCount)] == segments(widget)
    assert float(table.item(0, 1).text()) > 300
    assert "3 of 3 terms found" in panel.ui.status.text
    Harness.answer(str(tmp_path / "a.csv"))
    panel.exports.table()
    assert (tmp_path / "a.csv").read_text().splitlines()[1].startswith("right lung,")
    Harness.click(panel.ui.undoButton)
    assert segments(widget) == []
    assert not panel.ui.undoButton.enabled


def test_cleaning_is_off_until_one_ticks_it_and_is_told_and_kept(widget, panel, chest, tmp_path):
    import slicer

    ui, node = panel.ui, widget._parameterNode
    assert not (ui.keepLargest.checked or ui.fillHoles.checked or node.keepLargest or node.fillHoles)
    Harness.click(ui.keepLargest)
    add(panel, "heart")
    run(panel)
    Harness.click(ui.fillHoles)
    add(panel, "rt lung")
    Harness.answer("Skip")  # of the heart
    run(panel)
    said = [row.measured["cleaned"] for row in panel.session.rows]
    assert [text.startswith("largest component (") for text in said] == [True, True]
    assert [", holes filled (" in text for text in said] == [False, True]
    assert int(said[0].split("(")[1].split()[0]) < 0
    tips = [panel.results.table.item(row, 0).toolTip() for row in range(2)]
    assert [tip.splitlines()[-1] for tip in tips] == [f"Cleaned: {text}." for text in said]
    Harness.answer(str(tmp_path / "a.csv"))
    panel.exports.table()
    with (tmp_path / "a.csv").open(encoding="utf-8") as file:
        assert [row["cleaned"] for row in csv.DictReader(file)] == said
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    Harness.close_scene()
    assert not ui.keepLargest.checked
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    Harness.process_events()
    assert ui.keepLargest.checked and ui.fillHoles.checked
    assert Harness.wait_until(lambda: len(panel.session.rows) == 2)
    assert [row.measured["cleaned"] for row in panel.session.rows] == said
    assert panel.results.table.item(0, 0).toolTip() == tips[0]


def test_terms_the_segmentation_has_are_not_overwritten_unasked(widget, panel, chest):
    add(panel, "rt lung")
    run(panel)
    both = ["right lung", "right lung (2)"]
    for button, expected in (("Skip", both[:1]), ("Cancel", both[:1]), ("Keep both", both)):
        Harness.answer(button)
        Harness.click(panel.ui.runButton)
        Harness.wait_until(lambda: not panel.session.busy, 60)
        assert segments(widget) == expected, button
        assert "already has right lung" in Harness.dialogs_shown()[-1].text
    Harness.answer("Replace")
    run(panel)
    assert segments(widget) == both


def test_each_added_term_is_segmented_at_once_if_wanted(widget, panel, chest):
    panel.ui.segmentAsIClick.checked = True
    add(panel, "rt lung")
    assert not panel.session.busy  # nothing is encoded yet
    run(panel)
    add(panel, "left lung")
    assert Harness.wait_until(lambda: segments(widget) == ["right lung", "left lung"], 60)
    assert Harness.wait_until(lambda: not panel.session.busy, 60)


def test_resting_on_a_term_shows_an_outline_that_is_never_kept(widget, panel, chest):
    import slicer

    def previews():
        nodes = slicer.mrmlScene.GetNodesByClass("vtkMRMLSegmentationNode")
        nodes.UnRegister(None)
        return [
            node
            for node in (nodes.GetItemAsObject(i) for i in range(nodes.GetNumberOfItems()))
            if node.GetHideFromEditors() and node.GetSegmentation().GetNumberOfSegments()
        ]

    add(panel, "rt lung")
    run(panel)
    type_in(panel, "left lung")
    panel.picker._entered(panel.picker.results.topLevelItem(0))
    assert Harness.wait_until(lambda: len(previews()) == 1, 30)
    assert not previews()[0].GetSaveWithScene()
    panel.picker.stop_hover()
    assert previews() == []
    assert segments(widget) == ["right lung"]
    assert len(panel.session.rows) == 1


def test_cancel_and_run_again(widget, panel, chest):
    add(panel, "rt lung")
    Harness.click(panel.ui.runButton)
    assert panel.ui.cancelButton.enabled
    Harness.click(panel.ui.cancelButton)
    assert Harness.wait_until(lambda: not panel.session.busy, 60)
    assert panel.ui.errorText.text == ""
    assert widget._parameterNode.outputSegmentation is None  # what the run itself had made
    assert segmentation_nodes() == []
    run(panel)
    assert segments(widget) == ["right lung"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_crash_of_the_worker_is_told_and_mended(widget, panel, chest):
    add(panel, "rt lung")
    Harness.click(panel.ui.runButton)
    assert Harness.wait_until(lambda: panel.session.worker.state == "busy", 60)
    os.kill(panel.session.worker.info["pid"], signal.SIGKILL)
    assert Harness.wait_until(lambda: not panel.session.busy, 60)
    assert "stopped unexpectedly" in panel.ui.errorText.text
    assert panel.ui.errorText.visible
    run(panel)
    assert panel.ui.errorText.text == ""
    assert segments(widget) == ["right lung"]


def test_a_scene_closed_while_running_ends_the_run(widget, panel, chest):
    add(panel, "rt lung")
    Harness.click(panel.ui.runButton)
    Harness.close_scene()
    assert Harness.wait_until(lambda: not panel.session.busy, 60)
    assert panel.session.rows == []
    assert widget._parameterNode is not None
    assert widget._parameterNode.inputVolume is None


def test_a_volume_removed_while_running_ends_the_run(widget, panel, chest):
    import slicer

    add(panel, "rt lung")
    Harness.click(panel.ui.runButton)
    slicer.mrmlScene.RemoveNode(chest)
    assert Harness.wait_until(lambda: not panel.session.busy, 60)
    assert panel.session.rows == []
    assert segmentation_nodes() == []  # the run's own, still empty
    assert "Choose a volume first" in panel.ui.runButton.toolTip


def test_a_saved_scene_brings_everything_back(widget, panel, chest, tmp_path):
    import slicer

    add(panel, "rt lung", "spinal cord")
    widget._parameterNode.outputSegmentation = drawn(chest, "right lung", "spinal cord")
    assert Harness.wait_until(lambda: len(panel.session.rows) == 2)
    rows = panel.session.rows
    panel.ui.segmentAsIClick.checked = True
    panel.ui.modality.currentIndex = panel.ui.modality.findData("ct")
    slicer.util.arrayFromVolume(chest)
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    Harness.close_scene()
    assert names(panel) == []
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    Harness.process_events()
    assert names(panel) == ["right lung", "spinal cord"]
    assert widget._parameterNode.inputVolume.GetName() == "CTChest4"
    assert panel.ui.segmentAsIClick.checked
    assert panel.ui.modality.currentData == "ct"
    assert segments(widget) == ["right lung", "spinal cord"]
    assert Harness.wait_until(lambda: len(panel.session.rows) == 2)
    assert panel.results.table.rowCount == 2
    for before, after in zip(rows, panel.session.rows, strict=True):
        assert (after.name, after.voxels, after.color) == (before.name, before.voxels, before.color)
        assert (after.mean, after.seconds) == (before.mean, 1.5)
        assert after.measured == {**before.measured, "volume_ml": pytest.approx(before.volume_ml)}
        assert after.center == pytest.approx(before.center, abs=0.1)
        assert not after.edited


def test_what_cannot_be_done_says_why(panel):
    assert not panel.ui.runButton.enabled
    assert "Choose a volume first" in panel.ui.runButton.toolTip
    for button in (
        panel.ui.cancelButton,
        panel.ui.undoButton,
        panel.ui.exportButton,
        panel.ui.show3d,
        panel.ui.newRegion,
    ):
        assert not button.enabled
        assert button.toolTip
    from Testing.panel import load_chest

    panel.node.inputVolume = load_chest()
    Harness.process_events()
    assert "Choose at least one term" in panel.ui.runButton.toolTip
    assert panel.ui.newRegion.enabled


def test_terms_are_removed_and_kept_as_presets(panel, chest):
    import slicer

    add(panel, "rt lung", "left lung")
    panel.chosen._fill_menu()
    Harness.answer("My lungs")
    panel.chosen._save()
    panel.chosen.list.setCurrentRow(0)
    panel.chosen.remove_selected()
    assert names(panel) == ["left lung"]
    panel.chosen.clear()
    assert names(panel) == []
    assert [term.name for term in panel.node.terms] == []
    from SATSegmentLib.widgets.chosen import read_presets

    assert [term.name for term in read_presets()["My lungs"]] == ["right lung", "left lung"]
    assert slicer.app.userSettings().value("SlicerSAT/Presets")


def test_presets_are_exported_and_imported_without_loss(panel, chest, tmp_path):
    from SATSegmentLib.widgets.chosen import Chosen, export_presets, import_presets, read_presets, write_presets

    write_presets({"Mine": [Chosen("liver", "UBERON:0002107", "#112233"), Chosen("free text")]})
    export_presets(tmp_path / "presets.json")
    write_presets({"Mine": [Chosen("spleen", "UBERON:0002106")]})
    import_presets(tmp_path / "presets.json")
    assert [term.name for term in read_presets()["Mine"]] == ["spleen"]
    assert read_presets()["Mine 2"] == [Chosen("liver", "UBERON:0002107", "#112233"), Chosen("free text")]


def test_every_preset_names_terms_of_the_tree():
    from SATSegmentLib.anatomy import knowledge_tree
    from SATSegmentLib.widgets.presets import built_in

    for name, prompts in built_in().items():
        missing = [prompt for prompt in prompts if knowledge_tree().named(prompt) is None]
        assert missing == [], name


def test_the_modules_own_test_passes(widget):
    module = sys.modules[type(widget).__module__]
    module.SATSegmentTest().runTest()


def test_cancel_after_the_first_result_keeps_it_and_the_panel_alive(widget, panel, chest):
    add(panel, "rt lung", "left lung", "spinal cord", "vertebrae", "heart", "trachea")
    Harness.click(panel.ui.runButton)
    assert Harness.wait_until(lambda: panel.session.rows, 120)
    Harness.click(panel.ui.cancelButton) if panel.session.busy else None
    assert Harness.wait_until(lambda: not panel.session.busy, 60)
    assert "terms found" in panel.ui.status.text
    assert segments(widget)[0] == "right lung"
    assert panel.ui.runButton.enabled
    assert panel.session.can_undo


def test_a_volume_is_encoded_as_soon_as_it_is_chosen_if_wanted(widget, panel, chest):
    widget._parameterNode.inputVolume = None
    widget._parameterNode.encodeAtOnce = True
    Harness.pick(panel.ui.inputVolume, chest.GetName())
    assert panel.session.busy
    assert Harness.wait_until(lambda: not panel.session.busy, 120)
    assert panel.session.is_ready(panel.settings())
    assert panel.settings().volume_node is chest


def test_a_volume_chosen_while_another_is_encoded_comes_next(widget, panel, chest):
    from Testing.panel import load_chest

    panel.encode()
    assert panel.session.busy
    other = load_chest()
    widget._parameterNode.encodeAtOnce = True
    widget._parameterNode.inputVolume = other
    Harness.process_events()
    assert Harness.wait_until(lambda: panel.session.is_ready(panel.settings()) and not panel.session.busy, 120)
    assert panel.settings().volume_node is other


def test_another_volume_gets_its_own_segmentation_and_modality(widget, panel, chest):
    from Testing.panel import load_chest

    add(panel, "rt lung")
    run(panel)
    panel.ui.modality.currentIndex = panel.ui.modality.findData("mri")
    assert widget._parameterNode.modality == "mri"
    other = load_chest()
    other.SetName("other")
    widget._parameterNode.inputVolume = other
    Harness.process_events()
    assert widget._parameterNode.outputSegmentation is None
    assert widget._parameterNode.modality == ""
    assert panel.modality() == "ct"


def test_terms_clicked_while_one_is_running_come_next(widget, panel, chest):
    add(panel, "rt lung")
    run(panel)
    panel.ui.segmentAsIClick.checked = True
    add(panel, "left lung", "spinal cord", "trachea")
    done = lambda: not panel.session.busy and not panel._clicked  # noqa: E731
    assert Harness.wait_until(done, 60)
    assert segments(widget) == ["right lung", "left lung", "spinal cord", "trachea"]
    assert [row.name for row in panel.session.rows] == segments(widget)  # of all runs


def test_undo_asks_before_it_takes_back_what_was_edited(widget, panel, chest):
    add(panel, "rt lung")
    run(panel)
    segment = widget._parameterNode.outputSegmentation.GetSegmentation().GetNthSegment(0)
    segment.SetName("my lung")
    Harness.answer("No")
    Harness.click(panel.ui.undoButton)
    assert "You have edited right lung" in Harness.dialogs_shown()[-1].text
    assert segments(widget) == ["my lung"]
    Harness.answer("Yes")
    Harness.click(panel.ui.undoButton)
    assert segments(widget) == []


def test_a_segmentation_deleted_while_running_ends_the_run_but_keeps_the_image(widget, panel, chest):
    import slicer

    add(panel, "rt lung")
    run(panel)
    settings = panel.settings()
    slicer.mrmlScene.RemoveNode(widget._parameterNode.outputSegmentation)
    Harness.process_events()
    assert panel.session.rows == []
    assert not panel.session.can_undo
    assert panel.session.is_ready(settings)


def test_a_preset_is_deleted_only_when_one_says_so(panel):
    from SATSegmentLib.widgets.chosen import Chosen, read_presets, write_presets

    write_presets({"Mine": [Chosen("liver")]})
    Harness.answer("No")
    panel.chosen._delete("Mine")
    assert "Mine" in read_presets()
    Harness.answer("Yes")
    panel.chosen._delete("Mine")
    assert read_presets() == {}


def test_a_wrong_remote_command_is_said_and_can_be_mended(widget, panel, chest):
    panel.ui.setupSection.collapsed = False
    panel.setup.command.text = 'ssh "host'
    panel.setup._store_command()
    add(panel, "rt lung")
    Harness.click(panel.ui.runButton)
    assert Harness.wait_until(lambda: panel.ui.errorText.text, 30)
    assert "cannot be started" in panel.ui.errorText.text
    panel.setup.command.text = ""
    panel.setup._store_command()
    run(panel)
    assert segments(widget) == ["right lung"]
    Harness.click(panel.ui.runButton)  # asks what to do with the segment there is: unanswered, nothing
    assert not panel.session.busy


def test_results_of_a_segmentation_appear_when_it_is_chosen(widget, panel, chest):
    node = drawn(chest, "left lung", "right lung")
    widget._parameterNode.outputSegmentation = node
    assert Harness.wait_until(lambda: panel.results.table.rowCount == 2)
    row = panel.session.rows[0]
    assert (row.name, row.voxels, row.confidence, row.seconds) == ("left lung", 500, 0.9, 1.5)
    assert row.mean < 100
    assert row.touches_border  # at i = 0
    Harness.click((panel.results.table, panel.results.table.model().index(1, 0)))
    widget._parameterNode.outputSegmentation = None
    Harness.process_events()
    assert panel.results.table.rowCount == 0


def test_the_3d_button_shows_the_truth(widget, panel, chest):
    first, second = drawn(chest, "left lung"), drawn(chest, "right lung")
    widget._parameterNode.outputSegmentation = first
    Harness.process_events()
    assert not panel.ui.show3d.checked
    Harness.click(panel.ui.show3d)
    assert panel.ui.show3d.checked
    widget._parameterNode.outputSegmentation = second
    Harness.process_events()
    assert not panel.ui.show3d.checked
    widget._parameterNode.outputSegmentation = first
    Harness.process_events()
    assert panel.ui.show3d.checked
    first.GetDisplayNode().SetVisibility3D(False)  # elsewhere in Slicer
    widget.exit()
    widget.enter()
    assert not panel.ui.show3d.checked
    Harness.click(panel.ui.show3d)
    assert panel.ui.show3d.checked
    Harness.close_scene()
    assert not panel.ui.show3d.checked
    assert not panel.ui.show3d.enabled


def test_what_is_missing_for_dicom_seg_is_said_of_this_volume(widget, panel, chest):
    widget._parameterNode.outputSegmentation = drawn(chest, "left lung")
    Harness.process_events()
    panel.exports.dicom()
    told = Harness.dialogs_shown()[-1].text
    assert "CTChest4 was not loaded from DICOM" in told


def test_devices_are_known_before_the_first_run(widget, panel, chest):
    session = panel.session
    assert session.worker.state == "stopped"
    assert Harness.wait_until(lambda: session.worker.state == "ready", 120)
    assert Harness.wait_until(lambda: panel.ui.device.count >= 2 and panel._devices)
    assert not session.busy
    assert panel.ui.status.text == ""


def test_another_machine_is_asked_for_its_models_only_when_one_says_so(widget, panel, chest, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "SATSegment"))
    panel.ui.setupSection.collapsed = False
    models = panel.setup.models.list
    models.setCurrentItem(models.topLevelItem(models.topLevelItemCount - 1))
    panel.setup.command.text = f'"{sys.executable}" -m SATSegmentLib.worker'
    panel.setup._store_command()
    assert panel.session.worker.remote
    assert panel.setup.models.models == []
    assert "another machine" in panel.setup.packages.text
    add(panel, "rt lung")
    assert "by this computer only" in panel.many.run_button.toolTip
    Harness.process_events()
    assert panel.session.worker.state == "stopped"
    Harness.click(panel.setup.install_button)
    assert Harness.wait_until(lambda: panel.setup.models.list.topLevelItemCount > 1, 120)
    titles = [panel.ui.model.itemText(row) for row in range(panel.ui.model.count)]
    assert any("not installed" in title for title in titles)
    assert panel.ui.model.currentData == "sat-tiny"


def test_a_model_that_was_downloaded_is_offered_to_be_converted_or_removed(panel, chest):
    from SATSegmentLib.models import find_model

    model = find_model("sat-nano")
    model.downloads.mkdir(parents=True)
    for name in ("nano.pth", "nano_text_encoder.pth"):
        (model.downloads / name).write_bytes(bytes(1 << 20))
    panel.setup.refresh()
    models = panel.setup.models
    panel.ui.setupSection.collapsed = False
    Harness.process_events()

    def select():
        for row in range(models.list.topLevelItemCount):
            if "Nano" in models.list.topLevelItem(row).text(0):
                models.list.setCurrentItem(models.list.topLevelItem(row))
                return models.list.topLevelItem(row)

    assert select().text(1) == "not installed"  # a file is not there yet
    assert models.download_button.text.startswith("Download")
    (model.downloads / "vocab.txt").write_text("[PAD]")
    panel.setup.refresh()
    assert select().text(1) == "to be converted"
    assert models.download_button.text == "Convert"
    panel.node.model = "sat-nano"
    Harness.process_events()
    assert "Convert the model sat-nano first" in panel.ui.runButton.toolTip
    Harness.click(models.download_button)
    assert Harness.wait_until(lambda: not models.busy, 120)
    assert "nano.pth" in models.message.text  # it is damaged, and was not downloaded again
    assert len(Harness.dialogs_shown()) == 0
    select()
    Harness.answer("OK")
    Harness.click(models.remove_button)
    assert Harness.wait_until(lambda: not models.busy, 60)
    assert not model.downloads.exists()
    assert select().text(1) == "not installed"


def test_packages_are_installed_in_words_while_slicer_goes_on(panel):
    from Testing.Harness import packaging

    panel.ui.setupSection.collapsed = False
    setup = panel.setup
    setup.missing = ["nibabel", "requests"]
    told = []
    packaging.asked.clear()
    packaging.planned.append(
        (
            [
                "Collecting nibabel>=5.2 (from somewhere)",
                "  Downloading nibabel-5.3.2-py3-none-any.whl (3.3 MB)",
                "Installing collected packages: requests, nibabel",
            ],
            0,
        )
    )
    Harness.answer("OK")
    setup.install()
    assert "Install nibabel, requests into Slicer's Python" in Harness.dialogs_shown()[-1].text
    assert setup.packages.text == "Installing nibabel, requests …"
    assert setup.install_bar.visible
    assert not setup.install_button.enabled
    assert "being installed" in setup.install_button.toolTip
    setup.install()  # a second time does nothing
    setup._installation._told = told.append
    assert Harness.wait_until(lambda: setup._installation is None)
    assert told == [
        "Looking for nibabel …",
        "Downloading nibabel-5.3.2-py3-none-any.whl …",
        "Installing requests, nibabel …",
    ]
    assert [line.partition(">")[0] for line in packaging.asked[0]] == ["nibabel", "requests"]
    assert setup.packages.text == "All packages are installed."
    assert not setup.install_bar.visible


def test_packages_that_cannot_be_installed_say_why(panel):
    from Testing.Harness import packaging

    panel.setup.missing = ["nibabel"]
    packaging.planned.append((["ERROR: No matching distribution found for nibabel"], 1))
    Harness.answer("OK", "OK")
    panel.setup.install()
    assert Harness.wait_until(lambda: panel.setup._installation is None)
    assert "could not be installed (pip ended with code 1)" in Harness.dialogs_shown()[-1].text
    panel.setup.missing = ["torch"]
    Harness.answer("OK", "OK")
    panel.setup.install()
    assert "PyTorch by its extension" in panel.setup.packages.text
    assert Harness.wait_until(lambda: panel.setup._installation is None)
    assert "Install the extension PyTorch" in Harness.dialogs_shown()[-1].text


def test_what_is_kept_is_shown_and_cleared_when_one_says_so(widget, panel, chest):
    assert "Models: 9 MB" in panel.setup.kept.text
    assert "Nothing is kept" in panel.setup.clear_button.toolTip
    add(panel, "rt lung")
    run(panel)
    assert "Encoded images: 0 MB in memory" not in panel.setup.kept.text
    Harness.answer("Cancel")
    panel.setup.clear()
    assert panel.session.is_ready(panel.settings())
    Harness.answer("OK")
    panel.setup.clear()
    assert Harness.wait_until(lambda: "were freed" in panel.setup.models.message.text, 30)
    assert "Encoded images: 0 MB in memory, 0 MB on disk" in panel.setup.kept.text
    assert not panel.session.is_ready(panel.settings())


def test_the_search_is_made_once_whoever_asks_first():
    import threading

    from SATSegmentLib.anatomy import term_index
    from SATSegmentLib.widgets.search_index import search_index, warm_up

    term_index.cache_clear()
    found = []
    threads = [threading.Thread(target=lambda: found.append(search_index())) for _ in range(3)]
    threads.append(warm_up())
    for thread in threads[:3]:
        thread.start()
    found.append(search_index())
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(map(id, found))) == 1


def test_the_first_scan_that_is_loaded_is_chosen_and_shown(widget, panel):
    from Testing.panel import load_chest

    assert widget._parameterNode.inputVolume is None
    node = load_chest()
    assert Harness.wait_until(lambda: widget._parameterNode.inputVolume is node)
    load_chest()
    Harness.process_events()
    assert widget._parameterNode.inputVolume is node


def test_a_model_that_is_not_there_is_said_before_a_run(widget, panel, chest):
    """Of a scene of another computer, or removed since."""
    add(panel, "rt lung")
    assert panel.ui.runButton.enabled
    widget._parameterNode.model = "another's"
    Harness.process_events()
    assert not panel.ui.runButton.enabled
    for button in (panel.ui.runButton, panel.many.run_button):
        assert "The model another's is not installed: choose another one" in button.toolTip
    panel.ui.model.currentIndex = panel.ui.model.findData("sat-tiny")
    assert panel.ui.runButton.enabled


def test_going_to_a_result_shows_its_scan_where_no_view_does(widget, panel, chest, composite):
    from Testing.panel import load_chest

    other = load_chest()
    composite.SetBackgroundVolumeID(chest.GetID())
    widget._parameterNode.outputSegmentation = drawn(other, "left lung")
    assert Harness.wait_until(lambda: panel.results.table.rowCount == 1)
    Harness.click((panel.results.table, panel.results.table.model().index(0, 0)))
    assert composite.GetBackgroundVolumeID() == other.GetID()


def test_the_panel_names_its_controls_in_place_of_options(tmp_path):
    from SATSegmentLib.batch.kept import alone
    from SATSegmentLib.errors import InputError
    from SATSegmentLib.models import download
    from SATSegmentLib.output import check_targets
    from SATSegmentLib.widgets.wording import in_panel

    (tmp_path / "table.csv").touch()
    told = [download._BY_HAND]
    with pytest.raises(InputError) as refused:
        check_targets([tmp_path / "table.csv"], overwrite=False)
    told.append(str(refused.value))
    with alone(tmp_path), pytest.raises(InputError) as refused, alone(tmp_path):
        pass
    told.append(str(refused.value))
    assert all("--" in sentence or "`" in sentence for sentence in told)
    words = [in_panel(sentence) for sentence in told]
    assert not any("--" in sentence or "`" in sentence for sentence in words)
    assert words[1].endswith("table.csv exists; move it away, or choose another folder under Results.")


def test_a_volume_that_no_view_shows_is_shown_when_it_is_segmented(panel, chest, composite):
    from Testing.panel import load_chest

    other = load_chest()
    composite.SetBackgroundVolumeID(other.GetID())
    add(panel, "left lung")
    run(panel)
    assert composite.GetBackgroundVolumeID() == chest.GetID()
    composite.SetForegroundVolumeID(chest.GetID())
    composite.SetBackgroundVolumeID(other.GetID())
    add(panel, "right lung")
    Harness.answer("Skip")
    run(panel)
    assert composite.GetBackgroundVolumeID() == other.GetID()


def test_a_shared_model_is_imported_from_its_zip(widget, panel, chest, tmp_path):
    import json
    import shutil

    from SATSegmentLib.models import find_model
    from SATSegmentLib.models.archive import pack

    folder = tmp_path / "model"
    shutil.copytree(find_model("sat-tiny").folder, folder)
    config = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    (folder / "model.json").write_text(json.dumps({**config, "name": "shared"}), encoding="utf-8")
    pack(folder, tmp_path / "shared.zip")
    panel.ui.setupSection.collapsed = False
    models = panel.setup.models
    folder_entry, zip_entry = models.import_button.menu().actions()
    assert "Folder" in folder_entry.text
    Harness.answer(str(tmp_path / "shared.zip"))
    zip_entry.trigger()
    assert Harness.wait_until(lambda: not models.busy, 60)
    assert models.message.text == "Done."
    assert "shared" in [model["name"] for model in models.models]
    widget._parameterNode.model = "shared"
    Harness.process_events()
    assert panel.ui.model.currentData == "shared"
    add(panel, "rt lung")
    run(panel)
    assert segments(widget) == ["right lung"]


def test_a_label_map_or_colour_image_is_never_chosen_by_itself(widget, panel):
    import slicer
    from Testing.panel import load_chest

    for kind in ("vtkMRMLLabelMapVolumeNode", "vtkMRMLVectorVolumeNode"):
        slicer.mrmlScene.AddNewNodeByClass(kind)
    Harness.process_events()
    widget.initializeParameterNode()
    assert widget._parameterNode.inputVolume is None
    chest = load_chest()
    Harness.process_events()
    assert widget._parameterNode.inputVolume is chest


def test_what_a_script_sets_is_shown(widget, panel, chest):
    widget._parameterNode.modality = "pet"
    Harness.process_events()
    assert panel.ui.modality.currentData == "pet"
    widget._parameterNode.inputVolume = None
    Harness.process_events()
    assert (panel.ui.modality.currentData, widget._parameterNode.modality) == ("", "")


def test_why_an_image_was_refused_stays_until_another_is_chosen(widget, panel, chest):
    import slicer
    from Testing.panel import load_chest

    other = load_chest()
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    other.SetAndObserveTransformNodeID(transform.GetID())
    widget._parameterNode.outputSegmentation = drawn(chest, "left lung")
    Harness.process_events()
    widget._parameterNode.encodeAtOnce = True
    widget._parameterNode.inputVolume = other
    Harness.process_events()
    assert "not linear" in panel.ui.errorText.text
    widget._parameterNode.outputSegmentation = None
    Harness.process_events()
    assert "not linear" in panel.ui.errorText.text
    widget._parameterNode.encodeAtOnce = False
    widget._parameterNode.inputVolume = chest
    Harness.process_events()
    assert panel.ui.errorText.text == ""


def test_an_export_never_writes_over_a_file_that_was_not_named(widget, panel, chest, tmp_path):
    widget._parameterNode.outputSegmentation = drawn(chest, "left lung")
    assert Harness.wait_until(lambda: panel.session.rows)
    there = tmp_path / "mine.csv"
    there.write_text("mine", encoding="utf-8")
    Harness.answer(str(tmp_path / "mine"), "No")
    panel.exports.table()
    assert "mine.csv exists" in Harness.dialogs_shown()[-1].text
    assert there.read_text(encoding="utf-8") == "mine"
    Harness.answer(str(tmp_path / "mine"), "Yes")
    panel.exports.table()
    assert "left lung" in there.read_text(encoding="utf-8")


def test_the_models_of_another_machine_are_not_imported_from_this_one(panel, chest):
    panel.setup.command.text = "ssh host"
    panel.setup._store_command()
    try:
        assert not panel.setup.models.import_button.enabled
        assert "satsegment models import" in panel.setup.models.import_button.toolTip
    finally:
        panel.setup.command.text = ""
        panel.setup._store_command()
    assert panel.setup.models.import_button.enabled
