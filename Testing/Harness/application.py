"""`slicer.app`, `slicer.mrmlScene`, `slicer.modules`: the application around the scene, as modules ask for it."""

from __future__ import annotations

import os
import sys
import tempfile
import types
from pathlib import Path

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from .conventions import native
from .io_manager import CoreIOManager
from .layout import LayoutManager

VERSION = (5, 13, 0)
# the logics of Slicer's own modules that slicer-core ships
LOGICS = {
    "Colors": "vtkSlicerColorLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Models": "vtkSlicerModelsLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Units": "vtkSlicerUnitsLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
    "Volumes": "vtkSlicerVolumesLogic",
}


@native
class qSlicerModuleManager(QtCore.QObject):
    """Knows the modules."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)
    moduleLoaded = QtCore.Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._modules: dict[str, object] = {}

    def module(self, name: str):
        """The module of a name, or None."""
        return self._modules.get(name)

    def modulesNames(self) -> tuple[str, ...]:
        """The names of all modules."""
        return tuple(self._modules)

    def factoryManager(self):
        """Also tells the names, under another one."""
        return types.SimpleNamespace(loadedModuleNames=self.modulesNames)


@native
class qSlicerLogicModule(QtCore.QObject):
    """A module of Slicer's own, of which only the logic is here."""

    def __init__(self, name: str, logic):
        super().__init__()
        self.setObjectName(name)
        self._logic = logic

    title = property(lambda self: self.objectName)

    def logic(self):
        """The module's logic."""
        return self._logic


@native
class qSlicerMainWindow(QtWidgets.QMainWindow):
    """The main window: the module panel, a selector and a status bar."""

    WIDTH, HEIGHT = 440, 900

    def __init__(self):
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.setWindowTitle("Slicer")
        self._panel = QtWidgets.QScrollArea()
        self._panel.setWidgetResizable(True)
        self._panel.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarAlwaysOff)
        self._panel.setFrameShape(QtWidgets.QFrame.NoFrame)
        self.setCentralWidget(self._panel)
        self.resize(self.WIDTH, self.HEIGHT)
        self._selector = qSlicerModuleSelector(self)

    def moduleSelector(self):
        """Changes the module shown."""
        return self._selector

    def _show_module(self, widget: QtWidgets.QWidget | None) -> None:
        shown = self._panel.takeWidget()
        if shown is not None and shown is not widget:
            shown.setParent(None)
        if widget is not None:
            self._panel.setWidget(widget)
            widget.show()


@native
class qSlicerModuleSelector(QtCore.QObject):
    """Enters and exits modules."""

    moduleSelected = QtCore.Signal(str)

    def __init__(self, window):
        super().__init__(window)
        self._window = window
        self._selected = ""

    selectedModule = property(lambda self: self._selected)

    def selectModule(self, name: str) -> None:
        """Slot: leaves the module shown and enters another; an empty name leaves only."""
        if name == self._selected:
            return
        modules = slicer.app.moduleManager()
        left, self._selected = modules.module(self._selected), name
        if left is not None and hasattr(left, "_exit"):
            left._exit()
        entered = modules.module(name)
        self._window._show_module(entered.widgetRepresentation() if hasattr(entered, "widgetRepresentation") else None)
        if hasattr(entered, "_enter"):
            entered._enter()
        self.moduleSelected.emit(name)


@native
class qSlicerApplication(QtWidgets.QApplication):
    """The application: settings in a folder of its own, the scene, the modules."""

    startupCompleted = QtCore.Signal()
    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self):
        super().__init__(["Slicer"])
        self._folder = tempfile.TemporaryDirectory(prefix="slicer-harness-")
        self.setOrganizationName("NA-MIC")
        self.setApplicationName("Slicer")
        self.setApplicationVersion(".".join(map(str, VERSION)))
        self.setStyle("Fusion")
        self.setQuitOnLastWindowClosed(False)
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
        QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, QtCore.QSettings.UserScope, self._folder.name)
        self._settings = QtCore.QSettings()
        self._testing = False
        self._windows: list[QtWidgets.QWidget] = []
        self._modules = qSlicerModuleManager()
        self._io = CoreIOManager()
        self._scene = None
        self._logic = None
        self._layout = None

    majorVersion = property(lambda self: VERSION[0])
    minorVersion = property(lambda self: VERSION[1])
    revision = property(lambda self: "harness")
    platform = property(lambda self: "linux-amd64")
    temporaryPath = property(lambda self: str(self._made("tmp")))
    cachePath = property(lambda self: str(self._made("cache")))
    extensionsInstallPath = property(lambda self: str(self._made("extensions")))
    slicerHome = property(lambda self: str(self._made("home")))
    slicerUserSettingsFilePath = property(lambda self: self._settings.fileName())
    documentationBaseUrl = property(lambda self: "https://slicer.readthedocs.io/en/latest/")

    def _made(self, name: str) -> Path:
        folder = Path(self._folder.name) / name
        folder.mkdir(exist_ok=True)
        return folder

    def _start(self, scene) -> None:
        self._scene = scene
        self._cache = slicer.vtkCacheManager()
        self._cache.SetRemoteCacheDirectory(self.cachePath)
        self._cache.SetMRMLScene(scene)
        self._data_io = slicer.vtkDataIOManager()
        self._data_io.SetCacheManager(self._cache)
        scene.SetCacheManager(self._cache)
        scene.SetDataIOManager(self._data_io)
        scene.AddNode(slicer.vtkMRMLCrosshairNode())
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
        self._logic = slicer.vtkSlicerApplicationLogic()
        self._logic.SetMRMLScene(scene)
        self._logic.SetTemporaryPath(self.temporaryPath)
        self._logic.SetSliceLogics(vtk.vtkCollection())
        self._logic.SetViewLogics(vtk.vtkCollection())
        self._logic.GetColorLogic().SetMRMLScene(scene)
        self._logic.GetColorLogic().AddDefaultColorNodes()
        for name, kind in LOGICS.items():
            logic = self._logic.GetColorLogic() if name == "Colors" else getattr(slicer, kind)()
            logic.SetMRMLApplicationLogic(self._logic)
            # slicer-core comes without Slicer's terminology files, and says so
            warnings = vtk.vtkObject.GetGlobalWarningDisplay()
            vtk.vtkObject.SetGlobalWarningDisplay(name != "Terminologies" and warnings)
            logic.SetMRMLScene(scene)
            vtk.vtkObject.SetGlobalWarningDisplay(warnings)
            self._logic.SetModuleLogic(name, logic)
            self._add_module(name, qSlicerLogicModule(name, logic))
        self._layout = LayoutManager(scene, self._logic)

    def _add_module(self, name: str, module) -> None:
        self._modules._modules[name] = module
        setattr(slicer.modules, name.lower(), module)

    def _remove_module(self, name: str) -> None:
        self._modules.moduleAboutToBeUnloaded.emit(name)
        self._modules._modules.pop(name, None)
        slicer.selfTests.pop(name, None)
        for attribute in (name.lower(), f"{name}Instance", f"{name}Widget"):
            if hasattr(slicer.modules, attribute):
                delattr(slicer.modules, attribute)

    def mrmlScene(self):
        """The scene."""
        return self._scene

    def applicationLogic(self):
        """The application's logic, from slicer-core."""
        return self._logic

    def moduleManager(self):
        """Knows the modules."""
        return self._modules

    def moduleLogic(self, name: str):
        """The logic of a module of Slicer's own."""
        return self._modules.module(name).logic()

    def coreIOManager(self):
        """Reads and writes files."""
        return self._io

    ioManager = coreIOManager

    def layoutManager(self):
        """Slice views with slicer-core's logic, without anything drawn."""
        return self._layout

    def userSettings(self):
        """The user's settings; empty at first."""
        return self._settings

    settings = userSettings
    revisionUserSettings = userSettings

    def testingEnabled(self) -> bool:
        """Whether Slicer was started with --testing."""
        return self._testing

    def mainWindow(self):
        """The main window."""
        return slicer.util.mainWindow()

    def startupEnvironment(self):
        """The environment before Slicer changed it."""
        environment = QtCore.QProcessEnvironment()
        for name, value in os.environ.items():
            environment.insert(name, value)
        return environment

    def translate(self, _context: str, text: str) -> str:
        """The text in the user's language: English."""
        return text

    def moduleDocumentationUrl(self, name: str) -> str:
        """Where a module is documented."""
        return f"{self.documentationBaseUrl}user_guide/modules/{name.lower()}.html"

    def pauseRender(self) -> None:
        """Nothing is drawn here."""

    def resumeRender(self) -> None:
        """Nothing is drawn here."""

    def openNodeModule(self, _node, _role="", _context="") -> None:
        """Slicer would show the module of the node."""

    def restart(self) -> None:
        """Slicer would start anew: here that is a mistake of the caller."""
        raise AssertionError("the application was asked to restart")


def create(scene) -> qSlicerApplication:
    """Makes the application and all that `import slicer` brings in Slicer, on a scene."""
    if QtWidgets.QApplication.instance() is not None:
        raise RuntimeError("a QApplication is there already; the harness makes its own")
    QtCore.qInstallMessageHandler(_message)
    slicer.modules = types.ModuleType("slicer.modules")
    sys.modules["slicer.modules"] = slicer.modules
    slicer.mrmlScene = scene
    slicer.selfTests = {}
    slicer.app = qSlicerApplication()
    slicer.app._start(scene)
    QtGui.QGuiApplication.setFont(QtGui.QFont("DejaVu Sans", 9))
    return slicer.app


def _message(kind, _context, text: str) -> None:
    """Qt's messages but for one that the offscreen platform repeats for each window."""
    if "propagateSizeHints" not in text:
        print(text, file=sys.stderr)
