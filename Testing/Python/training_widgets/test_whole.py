"""From a list of cases to a model in SAT Segment, by the panel and real processes."""

from __future__ import annotations

import slicer
from Testing import Harness
from Testing.Python.training_widgets.test_panel import RUN, TRAINING, chart_curves, show

from SATTrainingLib import runs


def test_train_look_export(widget, with_cases, idle, small_model):
    """The run is found again by a panel that was opened after it began."""
    node = widget._parameterNode
    node.base, node.steps, node.runName, node.learningRate = small_model, 8, "Balls!", 0.004
    show(widget, TRAINING)
    Harness.click(widget.ui.startButton)
    assert Harness.wait_until(lambda: widget.ui.tabs.currentIndex == RUN or widget.ui.errorText.text, 300)
    assert widget.ui.errorText.text == ""
    folder = with_cases.runs.monitor.folder
    assert folder.name == "Balls" and not (folder / runs.BEST).exists()

    Harness.close()
    segment = Harness.open_module("SATSegment")
    widget = Harness.open_module("SATTraining")
    panel = widget.panel
    assert Harness.wait_until(lambda: panel.runs.monitor is not None, 60)
    assert panel.runs.monitor.folder == folder
    assert Harness.wait_until(lambda: not panel.runs.monitor.alive, 600)
    assert panel.runs.monitor.state.state == runs.DONE, panel.runs.monitor.text
    assert widget.ui.runStatus.text.startswith("Done, 8 steps.")

    show(widget, RUN)
    assert chart_curves()["all"]
    Harness.click(widget.ui.overlayButton)
    assert Harness.wait_until(lambda: not panel.runs.overlay.busy, 300)
    assert widget.ui.errorText.text == ""
    assert "Outlines: what the run's best model finds" in widget.ui.overlayNote.text
    reference, prediction = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert reference.GetName().endswith("reference") and prediction.GetName().endswith("prediction")
    assert reference.GetSegmentation().GetNumberOfSegments() >= 1

    Harness.answer(True)
    Harness.click(widget.ui.useButton)
    assert Harness.wait_until(lambda: not panel.background.title, 300)
    assert widget.ui.errorText.text == ""
    assert slicer.util.mainWindow().moduleSelector().selectedModule == "SATSegment"
    assert segment._parameterNode.model == "Balls" == segment.ui.model.currentData
