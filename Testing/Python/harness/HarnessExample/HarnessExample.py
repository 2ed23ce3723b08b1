# ruff: noqa: F403, F405
"""A small scripted module, written as for Slicer: picks words into a list, keeps them in the scene."""

from typing import Annotated

import ctk
import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper, parameterPack
from slicer.ScriptedLoadableModule import *
from slicer.util import VTKObservationMixin


class HarnessExample(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Harness example")
        self.parent.categories = ["Testing"]
        self.parent.dependencies = []
        self.parent.contributors = ["SlicerSAT"]
        self.parent.helpText = _("Picks words.") + self.getDefaultModuleDocumentationLink()


@parameterPack
class Word:
    text: str
    count: int = 1
    visible: bool = True


@parameterNodeWrapper
class HarnessExampleParameterNode:
    volume: slicer.vtkMRMLScalarVolumeNode
    output: slicer.vtkMRMLSegmentationNode
    device: Annotated[str, Choice(["cpu", "cuda"])] = "cpu"
    command: str = ""
    threshold: Annotated[float, WithinRange(0, 1)] = 0.5
    margin: Annotated[int, WithinRange(0, 20)] = 3
    automatic: bool = True
    words: list[Word]


class HarnessExampleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.parameterNode = None
        self.connected = None
        self.entered = 0
        self.cleaned = False

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/HarnessExample.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = HarnessExampleLogic()
        self.search = ctk.ctkSearchBox()
        self.search.placeholderText = _("Type a word")
        self.ui.searchLayout.addWidget(self.search)
        self.ui.applyButton.connect("clicked()", self.onApply)
        self.search.returnPressed.connect(self.onAdd)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEnd)
        # nodes that parameters refer to are there only now
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEnd)
        self.initializeParameterNode()

    def cleanup(self):
        self.cleaned = True
        self.removeObservers()

    def enter(self):
        self.entered += 1
        self.initializeParameterNode()

    def exit(self):
        self.setParameterNode(None)

    def onSceneStartClose(self, caller, event):
        self.setParameterNode(None)

    def onSceneEnd(self, caller, event):
        self.initializeParameterNode()

    def initializeParameterNode(self):
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode):
        if self.parameterNode:
            self.parameterNode.disconnectGui(self.connected)
            self.removeObserver(self.parameterNode, vtk.vtkCommand.ModifiedEvent, self.showState)
        self.parameterNode = parameterNode
        if self.parameterNode:
            self.connected = self.parameterNode.connectGui(self.ui)
            self.addObserver(self.parameterNode, vtk.vtkCommand.ModifiedEvent, self.showState)
            self.showState()

    def showState(self, caller=None, event=None):
        self.ui.list.clear()
        for word in self.parameterNode.words:
            item = qt.QListWidgetItem(f"{word.text} x {word.count}")
            item.setData(qt.Qt.UserRole, {"text": word.text, "count": word.count})
            self.ui.list.addItem(item)
        ready = self.parameterNode.volume is not None
        self.ui.applyButton.enabled = ready
        self.ui.applyButton.toolTip = _("Makes segments") if ready else _("Choose a volume first")

    def onAdd(self):
        text = self.search.text.strip()
        self.search.clear()
        for word in self.parameterNode.words:
            if word.text == text:
                word.count += 1
                return
        self.parameterNode.words.append(Word(text))

    def onApply(self):
        with slicer.util.tryWithErrorDisplay(_("Could not make segments."), waitCursor=True):
            self.ui.result.text = self.logic.process(self.parameterNode)


class HarnessExampleLogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self):
        return HarnessExampleParameterNode(super().getParameterNode())

    def process(self, parameterNode):
        if not parameterNode.output:
            raise ValueError("There is no output segmentation.")
        for word in parameterNode.words:
            parameterNode.output.GetSegmentation().AddEmptySegment("", word.text)
        return f"{len(parameterNode.words)} segments"


class HarnessExampleTest(ScriptedLoadableModuleTest):
    def test_logic(self):
        parameterNode = HarnessExampleLogic().getParameterNode()
        parameterNode.words = [Word("heart")]
        parameterNode.output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        self.assertEqual(HarnessExampleLogic().process(parameterNode), "1 segments")
        slicer.modules.testRan = True
