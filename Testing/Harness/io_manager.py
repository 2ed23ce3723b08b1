"""Reads and writes scenes, volumes and segmentations with slicer-core, as Slicer's IO manager does."""

from __future__ import annotations

from pathlib import Path

import slicer


class CoreIOManager:
    """`slicer.app.coreIOManager()`: what `slicer.util.load…` and `save…` use."""

    def fileType(self, path) -> str:
        """The kind of a file, by its name."""
        name = Path(path).name.lower()
        if name.endswith((".mrml", ".mrb")):
            return "SceneFile"
        return "SegmentationFile" if name.endswith((".seg.nrrd", ".seg.nhdr")) else "VolumeFile"

    def fileWriterFileType(self, node) -> str:
        """The kind of file a node is written to."""
        return node.GetClassName()

    def loadNodes(self, kind: str, properties: dict, collection, _messages) -> bool:
        """Reads a file into the scene; the nodes go into the collection."""
        path = str(properties["fileName"])
        if kind == "SceneFile":
            return _read_scene(path, clear=properties.get("clear", False))
        readers = {"VolumeFile": _read_volume, "SegmentationFile": _read_segmentation}
        if kind not in readers:
            raise NotImplementedError(f"the harness does not read a '{kind}'")
        node = readers[kind](path, properties)
        if node is not None:
            collection.AddItem(node)
        return node is not None

    def saveNodes(self, kind: str, properties: dict, _messages) -> bool:
        """Writes the scene, or one node."""
        path = str(properties["fileName"])
        if kind == "SceneFile":
            return _write_scene(path)
        node = slicer.mrmlScene.GetNodeByID(properties["nodeID"])
        storage = node.GetStorageNode()
        if storage is None:
            node.AddDefaultStorageNode()
            storage = node.GetStorageNode()
        storage.SetFileName(path)
        return bool(storage.WriteData(node))


def _read_scene(path: str, clear: bool) -> bool:
    scene = slicer.mrmlScene
    if path.lower().endswith(".mrb"):
        return bool(scene.ReadFromMRB(path, clear))
    scene.SetURL(path)
    return bool(scene.Connect() if clear else scene.Import())


def _write_scene(path: str) -> bool:
    scene = slicer.mrmlScene
    if path.lower().endswith(".mrb"):
        return bool(scene.WriteToMRB(path))
    scene.SetURL(path)
    return bool(scene.Commit())


def _read_volume(path: str, properties: dict):
    logic = slicer.modules.volumes.logic()
    name = properties.get("name", "")
    return logic.AddArchetypeVolume(path, name) if name else logic.AddArchetypeVolume(path, _stem(path))


def _read_segmentation(path: str, properties: dict):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", properties.get("name") or _stem(path))
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetFileName(path)
    if not node.GetStorageNode().ReadData(node):
        slicer.mrmlScene.RemoveNode(node)
        return None
    node.CreateDefaultDisplayNodes()
    return node


def _stem(path: str) -> str:
    return Path(path).name.split(".")[0]
