"""SATTraining: trains SAT on one's own labelled cases."""

from pathlib import Path
from typing import Annotated

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class SATTraining(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("SAT Training")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["SATSegment"]
        self.parent.contributors = ["SlicerSAT contributors"]
        self.parent.helpText = _(
            "Add scans whose structures somebody has segmented, say which term each label is, and train SAT (Segment "
            "Anything in radiology scans with Text prompts) to find them. The training is a process of its own: it "
            "goes on when Slicer is closed. Not for clinical use. "
            'See the <a href="https://github.com/OWNER/SlicerSAT#train">documentation</a>.'
        )
        self.parent.acknowledgementText = _(
            "SAT is the work of Zhao et al. (npj Digital Medicine 8:566, 2025); this is an independent implementation. "
            "Terms are from Uberon (CC BY 3.0)."
        )


@parameterNodeWrapper
class SATTrainingParameterNode:
    """The panel's state, saved with the scene."""

    pairVolume: slicer.vtkMRMLScalarVolumeNode
    pairSegmentation: slicer.vtkMRMLSegmentationNode
    cases: str
    meanings: str
    caseFolder: Path
    showCase: bool = False
    base: str = "sat-tiny"
    train: str = "all"
    preset: str
    presetChosen: bool = False
    steps: Annotated[int, WithinRange(1, 1000000)] = 1000
    batch: Annotated[int, WithinRange(1, 1024)] = 2
    window: str
    learningRate: Annotated[float, WithinRange(0.000001, 0.1)] = 0.0001
    precision: str = "float32"
    holdOut: str = "share"
    percent: Annotated[int, WithinRange(1, 90)] = 20
    folds: Annotated[int, WithinRange(2, 20)] = 5
    fold: Annotated[int, WithinRange(1, 20)] = 1
    runName: str
    where: str = "here"
    gpus: Annotated[int, WithinRange(1, 64)] = 1
    nodes: Annotated[int, WithinRange(1, 64)] = 1
    copyData: bool = False
    run: str
    showCurves: bool = True
    curve: str = "loss"


class SATTrainingWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Loads the panel and keeps it in step with the scene."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None
        self._parameterNode = None
        self._guiTag = None

    def setup(self):
        """Called when the module is opened first."""
        from SATTrainingLib.widgets.panel import Panel

        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/SATTraining.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = SATTrainingLogic()
        self.panel = Panel(self.ui)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartImportEvent, self.onSceneStartImport)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAboutToBeRemovedEvent, self.onNodeRemoved)
        self.initializeParameterNode()
        if self.parent.isEntered:  # the module was reloaded while it is shown
            self.panel.enter()

    def enter(self):
        """Called each time the module is shown."""
        self.initializeParameterNode()
        self.panel.enter()

    def exit(self):
        """Called each time another module is shown."""
        if self.panel:
            self.panel.leave()

    def cleanup(self):
        """Called when Slicer closes or the module is reloaded."""
        self.setParameterNode(None)
        self.removeObservers()
        if self.panel:
            self.panel.close()

    def onSceneStartClose(self, caller, event):
        """The scene's nodes are about to go."""
        self.panel.scene_closing()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        """There is a scene again."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneStartImport(self, caller, event):
        """Another scene is about to be read, and with it a layout of the views."""
        self.panel.put_views_back()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeRemoved(self, caller, event, node):
        """A node leaves the scene: what runs on it stops."""
        self.panel.node_removed(node)

    def initializeParameterNode(self):
        """Shows the scene's state."""
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode):
        """Connects the widgets to a state, or to none."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
        self._parameterNode = parameterNode
        if parameterNode:
            self._guiTag = parameterNode.connectGui(self.ui)
        self.panel.set_node(parameterNode)
        if parameterNode:
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)

    def onParametersChanged(self, caller=None, event=None):
        """The state changed."""
        self.panel.update()


class SATTrainingLogic(ScriptedLoadableModuleLogic):
    """Gives the state; the work is done by SATTrainingLib."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)

    def getParameterNode(self):
        """The panel's state in the scene."""
        return SATTrainingParameterNode(super().getParameterNode())


class SATTrainingTest(ScriptedLoadableModuleTest):
    """The main path inside a real Slicer: made-up cases of the scene, the built-in model, no network."""

    def runTest(self):
        """Runs the test in an empty scene, with files in a folder of its own."""
        import os
        import tempfile

        slicer.mrmlScene.Clear()
        before = os.environ.get("SATSEGMENT_HOME")
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            os.environ["SATSEGMENT_HOME"] = folder
            try:
                self.test_trainOnTwoCasesOfTheScene(Path(folder))
            finally:
                if before is None:
                    del os.environ["SATSEGMENT_HOME"]
                else:
                    os.environ["SATSEGMENT_HOME"] = before

    def test_trainOnTwoCasesOfTheScene(self, folder):
        """Two boxes of tissue with a ball each give cases, a run with curves, and a model."""
        from SATTrainingLib.runs import DONE
        from SATTrainingLib.widgets.model_export import make_model

        slicer.util.selectModule("SATTraining")
        widget = slicer.modules.SATTrainingWidget
        panel = widget.panel
        widget._parameterNode.caseFolder = folder / "cases"
        for number in range(2):
            self.addCase(number)
        panel.cases.scene.add_pairs()
        self.wait(lambda: len(panel.set.cases) == 2 and not panel.background.title, panel)
        self.assertEqual([problem for found in panel.cases.problems.values() for problem in found], [])
        panel.set.set_terms("scene", "ball", ("ball",))
        widget._parameterNode.steps = 2
        widget._parameterNode.percent = 50
        widget._parameterNode.runName = "self-test"
        panel.start()
        self.wait(lambda: panel.ui.tabs.currentIndex == 3, panel)
        monitor = panel.runs.monitor
        try:
            self.wait(lambda: not monitor.alive and monitor.events, panel)
        finally:
            panel.runs.cancel()
        self.assertEqual(monitor.state.state, DONE, monitor.text)
        self.assertEqual(len(monitor.losses()["all"]), len(monitor.steps))
        self.assertGreater(len(monitor.dice()["ct/ball"]), 1)
        charts = slicer.util.getNodesByClass("vtkMRMLPlotChartNode")
        self.assertEqual([chart.GetNumberOfPlotSeriesNodes() for chart in charts], [1])
        make_model(monitor.folder, "self-test", "", panel.background, panel.show_error)
        self.wait(lambda: not panel.background.title, panel)
        self.assertTrue((folder / "models" / "self-test" / "model.json").is_file())
        self.assertEqual(slicer.modules.SATSegmentWidget._parameterNode.model, "self-test")
        self.delayDisplay("Test passed")

    def addCase(self, number):
        """A volume with a bright ball, and a segmentation of it."""
        import numpy as np

        grid = np.indices((24, 48, 48))
        ball = ((grid - np.array([12, 24 + 4 * number, 24])[:, None, None, None]) ** 2).sum(0) < 64
        volume = slicer.util.addVolumeFromArray(np.where(ball, 300, 40).astype(np.int16), name=f"CT {number}")
        volume.SetSpacing(3, 3, 3)
        segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        segmentation.CreateDefaultDisplayNodes()
        segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
        segmentation.GetSegmentation().AddEmptySegment("ball", "ball")
        slicer.util.updateSegmentBinaryLabelmapFromArray(ball.astype(np.uint8), segmentation, "ball", volume)

    def wait(self, predicate, panel, seconds=600):
        """Lets Slicer work until something is so; an error of the panel's fails the test."""
        import time

        end = time.time() + seconds
        while not predicate():
            self.assertEqual(panel.ui.errorText.text, "")
            self.assertLess(time.time(), end)
            slicer.app.processEvents()
            time.sleep(0.02)
