"""`slicer.ScriptedLoadableModule`: the base classes of scripted modules, and what loads such a module."""

from __future__ import annotations

import importlib.util
import logging
import sys
import types
import unittest
from pathlib import Path

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from .conventions import native
from .mrml_widgets import qSlicerWidget
from .native import stored


class ScriptedLoadableModule:
    """A module: its title, help and icon are set on `parent`."""

    def __init__(self, parent):
        super().__init__()
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title = ""
        parent.categories = []
        parent.dependencies = []
        parent.contributors = []
        parent.helpText = ""
        parent.acknowledgementText = ""
        for ending in (".svg", ".png"):
            icon = Path(self.resourcePath(f"Icons/{self.moduleName}{ending}"))
            if icon.is_file():
                parent.icon = QtGui.QIcon(str(icon))
                break
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename: str) -> str:
        """The path of a file in the module's Resources folder."""
        return str(Path(self.parent.path).parent / "Resources" / filename)

    def getDefaultModuleDocumentationLink(self, docPage=None) -> str:
        """A sentence with a link to the module's documentation."""
        url = (
            slicer.app.documentationBaseUrl + docPage if docPage else slicer.app.moduleDocumentationUrl(self.moduleName)
        )
        return f'<p>For more information, see the <a href="{url}">online documentation</a>.</p>'

    def runTest(self, msec=100, **keywords) -> None:
        """Runs the class `<module>Test` of the module's file."""
        test = getattr(sys.modules[type(self).__module__], f"{self.moduleName}Test")()
        test.messageDelay = msec
        test.runTest(**keywords)


class ScriptedLoadableModuleWidget:
    """The module's panel: `setup` fills `self.layout`."""

    def __init__(self, parent=None):
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = slicer.util.settingsValue("Developer/DeveloperMode", False, converter=slicer.util.toBool)
        alone = parent is None
        if alone:
            parent = slicer.qMRMLWidget()
            parent.setLayout(QtWidgets.QVBoxLayout())
            parent.setMRMLScene(slicer.mrmlScene)
        self.parent = parent
        self.layout = parent.layout()
        if alone:
            self.setup()
            parent.show()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, filename: str) -> str:
        """The path of a file in the module's Resources folder."""
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self) -> None:
        """Fills the panel; modules override and call it."""

    def cleanup(self) -> None:
        """Called before the module is unloaded; modules override it."""

    def _onModuleAboutToBeUnloaded(self, moduleName: str) -> None:
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)


class ScriptedLoadableModuleLogic:
    """The module's computation, and its parameter node in the scene."""

    def __init__(self, parent=None):
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self):
        """The module's parameter node, made where there is none."""
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node is not None and node.GetAttribute("ModuleName") != self.moduleName:
                # a scene that is closed may take the attribute away
                node.SetAttribute("ModuleName", self.moduleName)
        else:
            node = next(iter(self.getAllParameterNodes()), None)
        return node if node is not None else slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self) -> list:
        """All parameter nodes of the module in the scene."""
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self):
        """A new parameter node, not in the scene yet."""
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """The module's test: `runTest` runs every method named test…."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.messageDelay = 100
        self.moduleTestNames = [name for name in dir(self) if "test" in name and callable(getattr(self, name))]

    def delayDisplay(self, message: str, requestedDelay=None, msec=None) -> None:
        """Logs the message and lets the window draw."""
        logging.info(message)
        slicer.app.processEvents()

    def takeScreenshot(self, name: str, description: str, type=-1) -> None:
        """Nothing: screenshots are off in Slicer too unless asked for."""
        self.delayDisplay(description)

    def runTest(self) -> None:
        """Runs the tests one after the other."""
        self.setUpClass()
        for name in self.moduleTestNames:
            self.setUp()
            getattr(self, name)()
            self.tearDown()
        self.tearDownClass()


@native
class qSlicerScriptedLoadableModule(QtCore.QObject):
    """What a module's file is to the application."""

    title = stored(str, "")
    helpText = stored(str, "")
    acknowledgementText = stored(str, "")
    categories = stored("QStringList", ())
    contributors = stored("QStringList", ())
    dependencies = stored("QStringList", ())
    associatedNodeTypes = stored("QStringList", ())
    icon = stored(QtGui.QIcon, None)
    hidden = stored(bool, False)
    index = stored(int, -1)
    widgetRepresentationCreationEnabled = stored(bool, True)

    def __init__(self, path: Path):
        super().__init__()
        self.setObjectName(path.stem)
        self._path = str(path)
        self._instance = None
        self._source = None
        self._widget = None

    path = property(lambda self: self._path)

    def widgetRepresentation(self):
        """The module's panel, made and set up on the first call."""
        if self._widget is None and hasattr(self._source, f"{self.objectName}Widget"):
            self._widget = qSlicerScriptedLoadableModuleWidget()
            self._widget._fill(self.objectName, self._source)
        return self._widget

    def logic(self):
        """A scripted module has no logic of C++ that is of use."""
        return slicer.vtkSlicerScriptedLoadableModuleLogic()

    def _load(self) -> None:
        path = Path(self._path)
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        source = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = source
        spec.loader.exec_module(source)
        self._source = source
        self._instance = getattr(source, path.stem)(self)
        setattr(slicer.modules, f"{path.stem}Instance", self._instance)

    def _enter(self) -> None:
        self.widgetRepresentation()._call("enter")

    def _exit(self) -> None:
        self.widgetRepresentation()._call("exit")


@native
class qSlicerScriptedLoadableModuleWidget(qSlicerWidget):
    """The widget that holds the panel of a scripted module."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setLayout(QtWidgets.QVBoxLayout())
        self._python = None
        self._module = ""
        self._entered = False

    def _is_entered(self) -> bool:
        return self._entered

    isEntered = QtCore.Property(bool, _is_entered)

    def self(self):
        """The Python object of the panel."""
        return self._python

    def _fill(self, name: str, source: types.ModuleType) -> None:
        self._module = name
        self.setMRMLScene(slicer.mrmlScene)
        self._python = getattr(source, f"{name}Widget")(self)
        setattr(slicer.modules, f"{name}Widget", self._python)
        self._python.setup()

    def reload(self) -> None:
        """Fills the panel anew from the module's changed file."""
        self._fill(self._module, sys.modules[self._module])

    def _call(self, name: str) -> None:
        if name in ("enter", "exit"):
            self._entered = name == "enter"
        if hasattr(self._python, name):
            getattr(self._python, name)()


def module() -> types.ModuleType:
    """The module `slicer.ScriptedLoadableModule`."""
    made = types.ModuleType("slicer.ScriptedLoadableModule")
    made.__all__ = []
    for cls in (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    ):
        setattr(made, cls.__name__, cls)
        made.__all__.append(cls.__name__)
    return made
