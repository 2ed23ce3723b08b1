"""slicer.app and what else `import slicer` brings."""

import importlib

import numpy as np
import pytest
import qt
import slicer
import vtk


def test_the_application():
    assert slicer.app.applicationName == "Slicer"
    assert (slicer.app.majorVersion, slicer.app.testingEnabled()) == (5, False)
    assert slicer.app.style().objectName == "fusion"
    assert slicer.util.mainWindow() is not None
    assert slicer.app.mrmlScene() is slicer.mrmlScene


def test_settings_are_the_users_and_empty():
    settings = slicer.app.userSettings()
    assert settings.value("SATSegment/x") is None
    settings.setValue("SATSegment/x", ["a", "b"])
    settings.setValue("SATSegment/n", 3)
    assert qt.QSettings().value("SATSegment/x") == ("a", "b")
    assert slicer.util.settingsValue("SATSegment/n", 0, converter=int) == 3
    assert settings.contains("SATSegment/n")


def test_settings_do_not_reach_the_next_test():
    assert slicer.app.userSettings().allKeys() == ()


def test_slices_are_there_without_views(harness):
    manager = slicer.app.layoutManager()
    assert manager.sliceViewNames() == ("Red", "Yellow", "Green")
    red = manager.sliceWidget("Red")
    assert red.mrmlSliceNode().GetOrientation() == "Axial"
    volume = slicer.util.addVolumeFromArray(np.zeros((4, 5, 6), np.int16))
    slicer.util.setSliceViewerLayers(background=volume)
    assert red.mrmlSliceCompositeNode().GetBackgroundVolumeID() == volume.GetID()
    slicer.util.resetSliceViews()
    red.mrmlSliceNode().JumpSliceByCentering(1, 2, 3)
    assert red.mrmlSliceNode().GetSliceToRAS().GetElement(2, 3) == 3


def test_a_slice_that_was_turned_is_as_at_the_start_after_closing(harness):
    node = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode()
    node.SetSliceToRASByNTP(0, 0.6, 0.8, 1, 0, 0, 0, 0, 0, 0)
    assert node.GetOrientation() == "Reformat"
    harness.close()
    assert slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode().GetOrientation() == "Axial"


def test_slicers_own_logics_are_there():
    assert slicer.modules.segmentations.logic().IsA("vtkSlicerSegmentationsModuleLogic")
    assert slicer.util.getModuleLogic("Volumes").IsA("vtkSlicerVolumesLogic")
    assert "Terminologies" in slicer.util.moduleNames()
    with pytest.raises(RuntimeError, match="Could not find module"):
        slicer.util.getModule("Nothing")


def test_functions_of_slicer_util_are_there_only():
    assert not hasattr(slicer, "getNode")
    assert slicer.util.getNode


def test_nothing_is_installed():
    from slicer.packaging import pip_check, pip_ensure

    pip_ensure(["numpy>=1.20"])
    assert not pip_check("no-such-package-at-all")
    with pytest.raises(RuntimeError, match="no-such-package-at-all"):
        pip_ensure(["no-such-package-at-all"], requester="x")
    with pytest.raises(RuntimeError):
        slicer.util.pip_install("no-such-package-at-all")


def test_texts_are_not_translated():
    from slicer.i18n import tr as _
    from slicer.i18n import translate

    assert (_("Segment {name}"), translate("context", "x")) == ("Segment {name}", "x")


def test_star_import_of_the_base_classes():
    module = importlib.import_module("slicer.ScriptedLoadableModule")
    assert set(module.__all__) == {
        "ScriptedLoadableModule",
        "ScriptedLoadableModuleWidget",
        "ScriptedLoadableModuleLogic",
        "ScriptedLoadableModuleTest",
    }


def test_observers_of_the_scene():
    class Watcher(slicer.util.VTKObservationMixin):
        def __init__(self):
            super().__init__()
            self.seen = []
            self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAddedEvent, self.added)

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def added(self, caller, event, node):
            self.seen.append(node.GetName())

    watcher = Watcher()
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "note")
    watcher.removeObservers()
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "unseen")
    assert watcher.seen == ["note"]


@pytest.mark.parametrize("name", ["scene.mrb", "scene.mrml"])
def test_scenes_are_saved_and_loaded(harness, tmp_path, name):
    note = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "kept")
    note.SetParameter("a", "1")
    assert slicer.util.saveScene(str(tmp_path / name))
    harness.close_scene()
    assert slicer.mrmlScene.GetFirstNodeByName("kept") is None
    slicer.util.loadScene(str(tmp_path / name))
    assert slicer.util.getNode("kept").GetParameter("a") == "1"


def test_volumes_and_segmentations_are_written_and_read(tmp_path):
    volume = slicer.util.addVolumeFromArray(np.arange(120, dtype=np.int16).reshape(4, 5, 6), name="v")
    assert slicer.util.saveNode(volume, str(tmp_path / "v.nrrd"))
    read = slicer.util.loadVolume(str(tmp_path / "v.nrrd"))
    assert (slicer.util.arrayFromVolume(read) == slicer.util.arrayFromVolume(volume)).all()
