"""SATTraining's panel: real Qt, a real scene, real files."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import slicer
from Testing import Harness
from Testing.Python.training_widgets import runs_made

from SATSegmentLib.anatomy import coded_entry
from SATSegmentLib.imaging import Mask
from SATSegmentLib.mrml import SegmentWriter
from SATTrainingLib import runs
from SATTrainingLib.cases import read_cases

ROOT = Path(__file__).resolve().parents[3]
CASES, LABELS, TRAINING, RUN = range(4)


def show(widget, tab):
    widget.ui.tabs.currentIndex = tab
    Harness.process_events()


def column(table, number):
    return [table.item(row, number).text() for row in range(table.rowCount)]


def add_pair(name="CT one", term="left kidney"):
    """A volume of the scene with a segmentation that is made on it."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, np.arange(8 * 10 * 12, dtype=np.int16).reshape(8, 10, 12))
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{name} segmentation")
    mask = np.zeros((12, 10, 8), bool)
    mask[2:6, 2:6, 2:6] = True
    SegmentWriter(segmentation, node).put(term, coded_entry(term), Mask.of(mask))
    Harness.process_events()
    return node, segmentation


def test_opening_it_imports_nothing_heavy_and_works_without_it():
    code = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "SATSegment")!r}, {str(ROOT / "SATTraining")!r}]

absent = "torch monai transformers tokenizers safetensors nibabel rapidfuzz psutil platformdirs matplotlib networkx " \\
    "scipy yaml tensorboard SimpleITK slicerio filelock tqdm".split()

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
    if name in [*absent, "pyyaml"]:
        raise importlib.metadata.PackageNotFoundError(name)
    return find(name)
importlib.metadata.version = version
widget = Harness.open_module("SATTraining")
for tab in range(4):
    widget.ui.tabs.currentIndex = tab
    Harness.process_events()
print(set(absent) & set(sys.modules), Harness.exceptions(), widget.panel.dependencies.widget.isVisible())
print(widget.panel.dependencies.text.text)
print(widget.ui.startButton.toolTip)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert "set() [] True" in result.stdout, result.stdout + result.stderr[-2000:]
    assert "Missing: torch, " in result.stdout and "nibabel" in result.stdout and "monai" in result.stdout
    assert "Install what is missing first" in result.stdout


def test_with_all_packages_there_is_nothing_to_install(panel):
    assert panel.dependencies.missing == []
    assert not panel.dependencies.widget.isVisible()


def test_what_is_missing_is_installed_in_words_while_slicer_goes_on(widget, panel, idle):
    from Testing.Harness import packaging

    dependencies = panel.dependencies
    dependencies.missing = ["nibabel", "monai"]
    dependencies.widget.visible = True
    panel.update()
    assert "Install what is missing first" in widget.ui.startButton.toolTip
    packaging.asked.clear()
    packaging.planned.append((["Collecting monai>=1.4 (from somewhere)"], 0))
    Harness.answer("OK")
    dependencies.button.click()  # without what comes of the event loop
    assert dependencies.text.text == "Installing nibabel, monai …" and not dependencies.button.enabled
    assert Harness.wait_until(lambda: not dependencies.missing)
    assert [line.partition(">")[0] for line in packaging.asked[0]] == ["nibabel", "monai"]
    assert not dependencies.widget.isVisible()
    assert "Add cases first" in widget.ui.startButton.toolTip


# Cases


def test_a_list_is_shown_with_what_is_wrong_with_it(widget, with_cases):
    table = widget.ui.casesTable
    assert column(table, 0) == ["case0", "case1", "case2", "case3"]
    assert column(table, 1) == ["CT"] * 4
    assert column(table, 2) == ["2", "2", "2", "1"]
    assert column(table, 3) == ["", "", "", "1"]
    assert "without a label" in table.item(3, 0).toolTip()
    assert widget.ui.casesNote.text == "Cases: 4; to look at: 1."
    Harness.click((table, table.model().index(3, 0)))
    assert "without a label" in widget.ui.casesNote.text
    Harness.click(widget.ui.removeCases)
    assert column(table, 0) == ["case0", "case1", "case2"]
    assert read_back(widget) == ["case0", "case1", "case2"]


def read_back(widget):
    """What the scene would save."""
    return [row["id"] for row in json.loads(widget._parameterNode.cases)]


def test_the_same_list_twice_adds_nothing(widget, with_cases, ball_cases, idle):
    with_cases.cases.add_described(ball_cases)
    idle()
    assert len(with_cases.set.cases) == 4
    assert "in the list already" in widget.ui.errorText.text


def test_a_list_that_cannot_be_read_is_a_sentence(widget, panel, idle, tmp_path):
    (tmp_path / "cases.jsonl").write_text('{"id": "a"}\n')
    Harness.answer(str(tmp_path / "cases.jsonl"))
    Harness.click(widget.ui.addList)
    idle()
    assert "line 1" in widget.ui.errorText.text and widget.ui.errorText.isVisible()


def test_a_folder_is_paired_by_the_patterns_that_one_says(widget, panel, idle, ball_cases, tmp_path):
    for number in range(2):
        for name in (f"{number}.nii.gz", f"{number}_label.nii.gz"):
            (tmp_path / name).write_bytes((ball_cases.parent / name).read_bytes())

    def say(dialog):
        dialog.findChild(Harness_line(), "imagePattern").text = "*.nii.gz"
        dialog.findChild(Harness_line(), "maskPattern").text = "*_label.nii.gz"
        return True

    Harness.answer(str(tmp_path), say)
    Harness.click(widget.ui.addFolder)
    idle()
    assert [case.id for case in panel.set.cases] == ["0", "1"], widget.ui.errorText.text
    assert {label.name for label in panel.set.cases[0].labels} == {"1", "2"}


def Harness_line():
    import qt

    return qt.QLineEdit


def test_a_damaged_mask_is_an_error_and_is_left_out_only_when_agreed(widget, panel, idle, ball_cases, tmp_path):
    case = read_cases(ball_cases)[0]
    rows = []
    for number in range(3):
        image = nibabel.load(case.image)
        nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj) + number, image.affine), tmp_path / f"{number}.nii")
        mask = np.asarray(nibabel.load(case.mask).dataobj)
        affine = image.affine.copy()
        affine[0, 3] += 1.5 * (number == 2)
        nibabel.save(nibabel.Nifti1Image(mask, affine), tmp_path / f"{number}_m.nii")
        rows.append(
            {"id": f"c{number}", "image": f"{number}.nii", "mask": f"{number}_m.nii", "labels": {"1": "left ball"}}
            | {"modality": "ct", "dataset": "d"}
        )
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    panel.cases.add_described(tmp_path / "list.jsonl")
    idle()
    assert panel.cases.with_errors() == ["c2"]
    assert "with errors: 1" in widget.ui.casesNote.text
    widget._parameterNode.runName = "x"
    Harness.answer("Cancel")
    show(widget, TRAINING)
    Harness.click(widget.ui.startButton)
    assert "c2" in Harness.dialogs_shown()[-1].text
    assert len(panel.set.cases) == 3 and not panel.background.title


def test_a_pair_of_the_scene_becomes_a_case_that_follows_edits(widget, panel, idle, tmp_path):
    volume, segmentation = add_pair()
    widget._parameterNode.caseFolder = tmp_path / "cases"
    widget.ui.pairVolume.setCurrentNode(volume)
    assert widget.ui.pairSegmentation.currentNode() is segmentation
    assert widget.ui.pairModality.itemText(0) == "Guess: CT"
    Harness.click(widget.ui.addPair)
    idle()
    (case,) = panel.set.cases
    assert (case.id, case.modality, case.image.parent) == ("CT_one", "ct", tmp_path / "cases")
    assert panel.set.meaning("scene", "left kidney").sure
    assert panel.cases.scene.write_changed() == []
    SegmentWriter(segmentation, volume).put("liver", coded_entry("liver"), Mask.of(np.ones((12, 10, 8), bool)))
    assert panel.cases.scene.write_changed() == ["CT_one"]
    idle()
    (case,) = panel.set.cases
    assert [label.name for label in case.labels] == ["left kidney", "liver"]
    assert nibabel.load(case.mask).shape == (12, 10, 8, 2)
    assert "liver" in panel.set.terms()


def test_all_pairs_are_added_once(widget, panel, idle, tmp_path):
    widget._parameterNode.caseFolder = tmp_path / "cases"
    for name in ("CT one", "CT two"):
        add_pair(name)
    panel.cases.update()
    assert widget.ui.addPairs.text == "Add all pairs (2)"
    Harness.click(widget.ui.addPairs)
    assert Harness.wait_until(lambda: len(panel.set.cases) == 2, 60)
    idle()
    assert not widget.ui.addPairs.enabled


def test_cancelled_work_leaves_nothing_half_and_can_be_done_again(widget, panel, idle, tmp_path):
    widget._parameterNode.caseFolder = tmp_path / "cases"
    add_pair()
    panel.cases.scene.add_pairs()
    widget.ui.workCancel.click()
    idle()
    assert panel.set.cases == []
    panel.cases.update()
    Harness.click(widget.ui.addPairs)
    assert Harness.wait_until(lambda: len(panel.set.cases) == 1, 60)
    idle()


def test_cases_outlive_a_closed_scene_and_come_back_with_a_saved_one(widget, with_cases, tmp_path):
    with_cases.set.set_terms("balls", "left ball", ("spleen",))
    with_cases._labels_changed()
    widget._parameterNode.steps = 77
    widget._parameterNode.holdOut = "fold"
    slicer.mrmlScene.SetURL(str(tmp_path / "scene.mrml"))
    slicer.mrmlScene.Commit()
    Harness.close_scene()
    assert len(widget.panel.set.cases) == 4
    widget.panel.cases.remove(["case0", "case1"])
    slicer.mrmlScene.SetURL(str(tmp_path / "scene.mrml"))
    slicer.mrmlScene.Connect()
    Harness.process_events()
    assert column(widget.ui.casesTable, 0) == ["case0", "case1", "case2", "case3"]
    assert widget.panel.set.meaning("balls", "left ball").terms == ("spleen",)
    assert (widget.ui.steps.value, widget.ui.holdOut.currentData) == (77, "fold")


def test_a_case_is_shown_in_the_slice_views_and_leaves_with_another(widget, with_cases, idle):
    table = widget.ui.casesTable
    widget.ui.showCase.checked = True
    for row in (0, 1):
        Harness.click((table, table.model().index(row, 0)))
        idle()
    (volume,) = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    (segmentation,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert volume.GetName() == "case1" and segmentation.GetSegmentation().GetNumberOfSegments() == 2
    composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == volume.GetID()
    assert not widget.ui.addPairs.enabled  # it is a case already
    widget.ui.showCase.checked = False
    assert not slicer.util.getNodesByClass("vtkMRMLSegmentationNode")


def test_the_slice_views_are_the_users_again_after_a_case_was_shown(widget, with_cases, idle):
    volume, segmentation = add_pair()
    slicer.util.setSliceViewerLayers(background=volume)
    segmentation.CreateDefaultDisplayNodes()
    view = slicer.app.layoutManager().sliceWidget("Red")
    composite, place = view.mrmlSliceCompositeNode(), view.mrmlSliceNode()
    place.SetSliceOffset(-3)
    before = (volume.GetID(), True, -3)

    def seen():
        offset = pytest.approx(place.GetSliceOffset())
        return composite.GetBackgroundVolumeID(), bool(segmentation.GetDisplayNode().GetVisibility2D()), offset

    widget.ui.showCase.checked = True
    table = widget.ui.casesTable
    Harness.click((table, table.model().index(0, 0)))
    idle()
    shown = seen()
    assert shown[0] != before[0] and not shown[1] and before != shown
    selector = slicer.util.mainWindow().moduleSelector()
    selector.selectModule("")  # to another module, to which the segmentation may matter
    assert seen()[0] == shown[0] and seen()[1]
    slicer.util.setSliceViewerLayers(background=volume)  # as the Segment Editor does
    selector.selectModule("SATTraining")
    assert seen()[:2] == shown[:2]
    widget.ui.showCase.checked = False
    assert before == seen()


# Labels


def test_labels_are_matched_and_corrected_by_searching(widget, with_cases):
    show(widget, LABELS)
    labels = with_cases.labels
    assert column(widget.ui.labelsTable, 0) == ["left ball", "right ball"]
    assert column(widget.ui.labelsTable, 1) == ["4", "3"]
    assert "Look at what was guessed: left ball, right ball" in widget.ui.labelsNote.text
    edit = labels.edits[0]
    edit.selectAll()
    Harness.type_keys(edit, "lt kid")
    assert "left kidney" in labels._offers.stringList()
    edit.completer().popup().hide()
    edit.selectAll()
    Harness.type_keys(edit, "left kidney; kidney<Enter>")
    assert with_cases.set.meaning("balls", "left ball").terms == ("left kidney", "kidney")
    assert "guessed: right ball" in widget.ui.labelsNote.text
    other = labels.edits[1]
    other.selectAll()
    Harness.type_keys(other, "<Delete><Enter>")
    assert with_cases.set.meaning("balls", "right ball").terms == ()
    assert widget.ui.labelsNote.text == "Terms: 2."
    assert column(widget.ui.casesTable, 2) == ["2"] * 4


def test_what_is_chosen_from_the_list_with_the_keyboard_is_agreed_to(widget, with_cases):
    show(widget, LABELS)
    edit = with_cases.labels.edits[0]
    edit.setFocus()
    edit.selectAll()
    Harness.type_keys(edit, "left kid")
    popup = edit.completer().popup()
    Harness.type_keys(popup, "<Down><Enter>")
    meaning = with_cases.set.meaning("balls", "left ball")
    assert meaning.sure and meaning.text == edit.text == with_cases.labels._offers.stringList()[0]


def test_enter_agrees_to_a_guess_and_passing_by_does_not(widget, with_cases):
    show(widget, LABELS)
    first, second = with_cases.labels.edits
    Harness.type_keys(first, "<Enter>")
    first.setFocus()
    second.setFocus()
    first.setFocus()
    Harness.process_events()
    sure = [with_cases.set.meaning("balls", f"{side} ball").sure for side in ("left", "right")]
    assert sure == [True, False]
    assert json.loads(widget._parameterNode.meanings)["balls"]["left ball"] == [["left ball"], True]


# Training


def test_why_it_cannot_start_is_said(widget, panel, idle, ball_cases):
    show(widget, TRAINING)
    start = widget.ui.startButton
    assert not start.enabled and "Add cases first" in start.toolTip
    panel.cases.add_described(ball_cases)
    assert "Wait until it is done" in start.toolTip
    idle()
    assert "Give the run a name" in start.toolTip
    assert widget.ui.trainingNote.text.endswith("Give the run a name first.")  # where nobody looks for a tooltip
    widget._parameterNode.runName = "mine"
    assert start.enabled
    assert widget.ui.trainingNote.text == "Cases to train on: 3; held out: 1; terms: 2."
    widget._parameterNode.window = "64"
    assert not start.enabled and "three numbers" in start.toolTip
    widget._parameterNode.window = ""
    widget._parameterNode.folds = 9
    widget.ui.holdOut.currentIndex = widget.ui.holdOut.findData("fold")
    assert not start.enabled and widget.ui.fold.isVisible() and not widget.ui.percent.isVisible()


def test_a_preset_sets_window_batch_and_precision(widget, panel, idle):
    node = widget._parameterNode
    assert node.preset == "cpu" and widget.ui.window.text == ""
    widget.ui.preset.currentIndex = widget.ui.preset.findData("12 GB")
    assert (widget.ui.window.text, node.precision) == ("192 x 192 x 64", "float16")
    assert widget.ui.precision.currentData == "float16"
    panel.training.set_memories([80.0])  # a preset that was chosen stays
    assert node.preset == "12 GB"


def test_the_preset_follows_the_computer_until_one_chooses(widget, panel, idle):
    panel.training.set_memories([23.6, 11.9])
    assert widget._parameterNode.preset == "24 GB" == widget.ui.preset.currentData


def test_a_job_folder_is_written_where_one_says(widget, with_cases, idle, tmp_path):
    node = widget._parameterNode
    node.runName, node.gpus, node.batch = "cluster", 2, 8
    widget.ui.where.currentIndex = widget.ui.where.findData("job")
    show(widget, TRAINING)
    assert widget.ui.startButton.text == "Write job folder …" and widget.ui.copyData.isVisible()
    Harness.answer(str(tmp_path), "OK")
    Harness.click(widget.ui.startButton)
    idle()
    assert widget.ui.errorText.text == ""
    assert (tmp_path / "cluster" / "slurm.sh").is_file()
    assert len(read_cases(tmp_path / "cluster" / "cases.jsonl")) == 4
    assert "README.txt" in Harness.dialogs_shown()[-1].text


# Run


@pytest.fixture
def running(widget, panel, ball_cases, idle):
    """A run that goes on."""
    folder = runs_made.make(ball_cases, alive=True)
    panel.runs.refresh()
    show(widget, RUN)
    return folder


def chart_curves():
    """Name to points of the chart that the plot view shows."""
    chart = slicer.app.layoutManager().plotWidget(0).mrmlPlotViewNode().GetPlotChartNode()
    found = {}
    for number in range(chart.GetNumberOfPlotSeriesNodes()):
        series = chart.GetNthPlotSeriesNode(number)
        table = series.GetTableNode().GetTable()
        found[series.GetName()] = [
            (table.GetValue(row, 0).ToDouble(), table.GetValue(row, 1).ToDouble())
            for row in range(table.GetNumberOfRows())
        ]
    return found


def test_a_run_is_found_and_shown(widget, panel, running):
    ui = widget.ui
    assert ui.run.currentText == "balls: training"
    assert ui.runStatus.text.startswith("Training, step 20 of 100, about")
    assert (ui.runProgress.value, ui.runProgress.maximum) == (20, 100)
    assert ui.runFacts.text == "cpu, 1.5 GB of memory, 6.00 s a step, loss 1.000"
    assert column(ui.scoresTable, 0) == ["right ball", "left ball"]
    assert column(ui.scoresTable, 1) == ["0.20", "0.10"]
    assert ui.overlayCase.currentText == "0.55  case0"
    assert ui.pauseButton.enabled and ui.cancelRunButton.enabled
    assert not ui.resumeButton.enabled and "It is running" in ui.resumeButton.toolTip
    assert not ui.useButton.enabled and "no checkpoint" in ui.useButton.toolTip


def test_curves_grow_in_slicers_plot_view_and_the_layout_returns(widget, panel, running):
    manager = slicer.app.layoutManager()
    assert manager.plotViewCount == 1
    assert chart_curves() == {"all": [(10, 2.0), (20, 1.5)]}
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    runs_made.append(running, runs_made.step(30, 0.6))
    assert Harness.wait_until(lambda: len(chart_curves()["all"]) == 3, 30)
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert manager.plotWidget(0).plotView()._ranges[1:] == ([10, pytest.approx(1.2)], [30, 2.0])  # the axes as well
    widget.ui.curve.currentIndex = 1
    assert set(chart_curves()) == {"mean", "ct/left ball", "ct/right ball"}
    table = widget.ui.scoresTable
    Harness.click((table, table.model().index(1, 0)))
    assert set(chart_curves()) == {"mean", "ct/left ball"}
    Harness.click(widget.ui.showCurves)
    assert manager.plotViewCount == 0 and not slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
    Harness.click(widget.ui.showCurves)
    assert manager.plotViewCount == 1
    during = manager.layout
    Harness.close_scene()
    assert Harness.wait_until(lambda: manager.layout == during and chart_curves())
    slicer.util.mainWindow().moduleSelector().selectModule("")  # to another module
    assert manager.layout == 3


def test_pausing_and_cancelling_ask_the_process(widget, panel, running):
    Harness.click(widget.ui.pauseButton)
    assert (running / runs.STOP).is_file()
    assert "will stop then" in widget.ui.runStatus.text and not widget.ui.pauseButton.enabled
    Harness.click(widget.ui.cancelRunButton)
    assert "kill_at" in (running / runs.STOP).read_text()
    (running / runs.STOP).unlink()  # before the time is over, for this very process stands for the trainer's


def test_the_list_of_runs_says_at_once_what_the_run_does(widget, panel, running):
    panel.runs.refresh()  # the next look at the folder is seconds away
    runs.write_state(running, replace(runs.read_state(running), state=runs.VALIDATING))
    assert Harness.wait_until(lambda: "validating" in widget.ui.runStatus.text.lower(), 4)
    assert widget.ui.run.currentText == "balls: validating"


def test_a_run_that_died_can_be_resumed_and_deleted(widget, panel, ball_cases, idle):
    folder = runs_made.make(ball_cases)
    (folder / runs.LOG).write_text("MemoryError\n")
    panel.runs.refresh()
    show(widget, RUN)
    assert "stopped unexpectedly" in widget.ui.runStatus.text and "MemoryError" in widget.ui.runStatus.text
    assert widget.ui.resumeButton.enabled and not widget.ui.pauseButton.enabled
    Harness.answer(lambda dialog: False)
    Harness.click(widget.ui.logButton)
    Harness.answer("OK")
    Harness.click(widget.ui.deleteRun)
    assert not folder.exists()
    assert widget.ui.runStatus.text == "No training yet."
    assert widget.ui.run.count == 0


def test_the_scene_says_which_run_is_shown(widget, panel, ball_cases, idle):
    first, second = (runs_made.make(ball_cases, title) for title in ("first", "second"))
    panel.runs.refresh()
    widget.ui.run.currentIndex = widget.ui.run.findData(str(first))
    assert widget._parameterNode.run == str(first)
    widget._parameterNode.run = str(second)
    panel.set_node(widget._parameterNode)
    assert panel.runs.monitor.folder == second
