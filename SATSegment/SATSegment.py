"""SATSegment: segments a scan by the terms one clicks."""

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper, parameterPack
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class SATSegment(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("SAT Segment")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["SlicerSAT contributors"]
        self.parent.helpText = _(
            "Choose a volume, search for structures, and segment them with SAT (Segment Anything in radiology scans "
            "with Text prompts). The image is encoded once; further terms take a moment. Not for clinical use. "
            'See the <a href="https://github.com/OWNER/SlicerSAT#in-slicer">documentation</a>.'
        )
        self.parent.acknowledgementText = _(
            "SAT is the work of Zhao et al. (npj Digital Medicine 8:566, 2025); this is an independent implementation. "
            "Terms are from Uberon (CC BY 3.0)."
        )


@parameterPack
class SATSegmentTerm:
    """A chosen term: its name, its id in the knowledge tree (empty for free text), its colour if not the usual one."""

    name: str
    termId: str
    color: str


@parameterNodeWrapper
class SATSegmentParameterNode:
    """The panel's state, saved with the scene."""

    inputVolume: slicer.vtkMRMLScalarVolumeNode
    region: slicer.vtkMRMLMarkupsROINode
    outputSegmentation: slicer.vtkMRMLSegmentationNode
    modality: str
    model: str = "sat-tiny"
    device: str = "auto"
    terms: list[SATSegmentTerm]
    segmentAsIClick: bool = False
    preview: bool = True
    encodeAtOnce: bool = False
    keepLargest: bool = False
    fillHoles: bool = False


class SATSegmentWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
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
        from SATSegmentLib.widgets.panel import Panel

        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/SATSegment.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = SATSegmentLogic()
        self.panel = Panel(self.ui, SATSegmentTerm)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAddedEvent, self.onNodeAdded)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAboutToBeRemovedEvent, self.onNodeRemoved)
        self.initializeParameterNode()

    def enter(self):
        """Called each time the module is shown."""
        self.initializeParameterNode()

    def exit(self):
        """Called each time another module is shown."""
        if self.panel:
            self.panel.picker.stop_hover()

    def cleanup(self):
        """Called when Slicer closes or the module is reloaded."""
        if self.panel:
            self.setParameterNode(None)
            self.panel.close()
        self.removeObservers()

    def onSceneStartClose(self, caller, event):
        """The scene's nodes are about to go."""
        self.panel.scene_closing()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        """There is a scene again."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAdded(self, caller, event, node):
        """The first scan that is loaded is the one to segment; it gets its voxels after it has joined the scene."""
        waits = self._parameterNode is not None and self._parameterNode.inputVolume is None
        if waits and node.GetClassName() == "vtkMRMLScalarVolumeNode":
            qt.QTimer.singleShot(0, self.onVolumeLoaded)

    def onVolumeLoaded(self):
        """A scan has been loaded while the panel was open."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeRemoved(self, caller, event, node):
        """A node leaves the scene: what runs on it stops."""
        self.panel.node_removed(node)

    def initializeParameterNode(self):
        """Shows the scene's state, with its first volume where none is chosen."""
        self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.inputVolume:
            # the scene counts label maps and colour images among them, which cannot be segmented
            volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            first = next((node for node in volumes if node.GetClassName() == "vtkMRMLScalarVolumeNode"), None)
            if first:
                self._parameterNode.inputVolume = first

    def setParameterNode(self, parameterNode):
        """Connects the widgets to a state, or to none."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
        self._parameterNode = parameterNode
        self.panel.set_node(parameterNode)
        if parameterNode:
            self._guiTag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)

    def onParametersChanged(self, caller=None, event=None):
        """The state changed; what a scene that is loaded brings is shown once all of it is there."""
        if not slicer.mrmlScene.IsImporting():
            self.panel.update()


class SATSegmentLogic(ScriptedLoadableModuleLogic):
    """Gives the state; the work is done by SATSegmentLib."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)

    def getParameterNode(self):
        """The panel's state in the scene."""
        return SATSegmentParameterNode(super().getParameterNode())


class SATSegmentTest(ScriptedLoadableModuleTest):
    """The main path inside a real Slicer: the built-in model, no network."""

    def runTest(self):
        """Runs the test in an empty scene."""
        slicer.mrmlScene.Clear()
        self.test_segmentASyntheticChest()

    def test_segmentASyntheticChest(self):
        """A box of tissue with two air-filled lungs in it gives coded segments."""
        import time

        import numpy as np

        from SATSegmentLib.anatomy import knowledge_tree

        slicer.util.selectModule("SATSegment")
        widget = slicer.modules.SATSegmentWidget
        array = np.full((40, 128, 128), -1000, np.int16)
        array[:, 20:108, 10:118] = 40
        array[5:35, 35:95, 20:55] = -850
        array[5:35, 35:95, 73:108] = -850
        volume = slicer.util.addVolumeFromArray(array, name="chest")
        volume.SetSpacing(3, 3, 6)
        widget._parameterNode.inputVolume = volume
        widget._parameterNode.modality = "ct"
        panel = widget.panel
        for name in ("left lung", "right lung"):
            panel.add_term(knowledge_tree().named(name))
        panel.run()
        self.assertTrue(panel.session.busy, panel.ui.errorText.text)
        end = time.time() + 300
        while panel.session.busy and time.time() < end:
            slicer.app.processEvents()
            time.sleep(0.02)
        self.assertIsNone(panel.session.error)
        segmentation = widget._parameterNode.outputSegmentation.GetSegmentation()
        self.assertEqual(segmentation.GetNumberOfSegments(), 2)
        for index in range(2):
            self.assertIn("39607008", segmentation.GetNthSegment(index).GetTerminology())
        self.assertGreater(sum(row.voxels for row in panel.session.rows), 1000)
        self.delayDisplay("Test passed")
