"""qMRMLNodeComboBox: chooses a node of the real scene, creates, renames and deletes nodes."""

from __future__ import annotations

from typing import ClassVar

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from . import dialogs
from .conventions import native
from .mrml_widgets import Observer
from .native import stored

NONE = object()


@native
class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Shows the scene's nodes of some classes, "None" where that is enabled, and below them the actions."""

    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    nodeActivated = QtCore.Signal(object)
    nodeAdded = QtCore.Signal(object)
    nodeAddedByUser = QtCore.Signal(object)
    nodeAddedByUserAction = QtCore.Signal(object)
    nodeAboutToBeRemoved = QtCore.Signal(object)
    nodeAboutToBeEdited = QtCore.Signal(object)
    currentNodeRenamed = QtCore.Signal(str)
    _hasNode = QtCore.Signal(bool)
    cpp_signals: ClassVar = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "currentNodeChanged(bool)": "_hasNode",
        "nodeActivated(vtkMRMLNode*)": "nodeActivated",
        "nodeAdded(vtkMRMLNode*)": "nodeAdded",
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser",
        "nodeAddedByUserAction(vtkMRMLNode*)": "nodeAddedByUserAction",
        "nodeAboutToBeRemoved(vtkMRMLNode*)": "nodeAboutToBeRemoved",
        "nodeAboutToBeEdited(vtkMRMLNode*)": "nodeAboutToBeEdited",
    }

    def _refill(self, *_) -> None:
        self._update()

    nodeTypes = stored("QStringList", (), _refill)
    showHidden = stored(bool, False, _refill)
    showChildNodeTypes = stored(bool, True, _refill)
    hideChildNodeTypes = stored("QStringList", (), _refill)
    noneEnabled = stored(bool, False, _refill)
    addEnabled = stored(bool, True, _refill)
    removeEnabled = stored(bool, True, _refill)
    editEnabled = stored(bool, False, _refill)
    renameEnabled = stored(bool, False, _refill)
    noneDisplay = stored(str, "None", _refill)
    baseName = stored(str, "")
    selectNodeUponCreation = stored(bool, True)
    interactionNodeSingletonTag = stored(str, "")

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None
        self._current = None
        self._entries: list[object] = []
        self._attributes: list[tuple[str, str, str | None]] = []
        self._labels: dict[str, str] = {}
        self._actions = []
        self._scene_observer = Observer()
        self._node_observer = Observer()
        self._combo = QtWidgets.QComboBox()
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Fixed)
        self._combo.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        self._combo.setSizeAdjustPolicy(QtWidgets.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        self._combo.connect("activated(int)", self._on_activated)
        self._combo.connect("currentIndexChanged(int)", self._on_index)
        self.setEnabled(False)
        self.destroyed.connect(self._forget_scene)

    # the scene

    def mrmlScene(self):
        """The scene, or None."""
        return self._scene

    def setMRMLScene(self, scene) -> None:
        """Slot: sets the scene whose nodes are shown."""
        if scene is self._scene:
            return
        self._forget_scene()
        self._scene = scene
        self.setEnabled(scene is not None)
        if scene is not None:
            kinds = slicer.vtkMRMLScene
            for event in (kinds.NodeAddedEvent, kinds.EndBatchProcessEvent, kinds.EndCloseEvent, kinds.EndImportEvent):
                self._scene_observer.add(scene, event, self._update)
            self._scene_observer.add(scene, kinds.NodeRemovedEvent, self._update)
        self._update()

    def _forget_scene(self) -> None:
        self._scene_observer.clear()
        self._node_observer.clear()

    # which nodes are shown

    def addAttribute(self, node_type: str, name: str, value=None) -> None:
        """Shows nodes of a class only where they have the attribute, with the value if one is given."""
        self._attributes.append((node_type, name, None if value is None else str(value)))
        self._update()

    def removeAttribute(self, node_type: str, name: str) -> None:
        """Takes back `addAttribute`."""
        self._attributes = [each for each in self._attributes if each[:2] != (node_type, name)]
        self._update()

    def nodeCount(self) -> int:
        """The number of nodes shown."""
        return len(self._nodes())

    def nodeFromIndex(self, index: int):
        """The node of an index, "None" not counted, or None."""
        nodes = self._nodes()
        return nodes[index] if 0 <= index < len(nodes) else None

    def _nodes(self) -> list:
        if self._scene is None:
            return []
        found = [self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes())]
        return [node for node in found if self._fits(node)]

    def _fits(self, node) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        if self.showChildNodeTypes:
            if not any(node.IsA(kind) for kind in self.nodeTypes):
                return False
            if any(node.IsA(kind) for kind in self.hideChildNodeTypes):
                return False
        elif node.GetClassName() not in self.nodeTypes:
            return False
        for kind, name, value in self._attributes:
            if node.IsA(kind) and (node.GetAttribute(name) is None or value not in (None, node.GetAttribute(name))):
                return False
        return True

    # the current node

    def currentNode(self):
        """The node chosen, or None."""
        return self._current

    def setCurrentNode(self, node) -> None:
        """Slot: chooses a node, by itself or its id; one that is not shown chooses none."""
        if isinstance(node, str):
            node = self._scene.GetNodeByID(node) if self._scene is not None else None
        self._choose(node if node in self._nodes() else None)

    def setCurrentNodeID(self, identity: str) -> None:
        """Slot: chooses a node by its id."""
        self.setCurrentNode(identity or None)

    def setCurrentNodeIndex(self, index: int) -> None:
        """Slot: chooses a node by its index, "None" not counted."""
        self._choose(self.nodeFromIndex(index))

    currentNodeID = QtCore.Property(
        str, lambda self: self._current.GetID() if self._current is not None else "", setCurrentNodeID
    )

    def _choose(self, node) -> None:
        self._fill(node)
        if node is self._current:
            return
        self._current = node
        self.currentNodeChanged.emit(node)
        self._hasNode.emit(node is not None)
        self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")

    def _update(self) -> None:
        """Follows the scene: keeps the current node, or goes on to a neighbour where it is gone."""
        if self._scene is not None and self._scene.IsBatchProcessing():
            return
        nodes = self._nodes()
        before = [entry for entry in self._entries if isinstance(entry, slicer.vtkMRMLNode)]
        current = self._current
        if current is not None and current not in nodes:
            place = before.index(current) if current in before else 0
            first = place == 0 and not self.noneEnabled
            following = nodes[min(place, len(nodes) - 1)] if nodes else None
            current = None if first and nodes else following
        elif current is None and nodes and not before and not self.noneEnabled and not self._has_actions():
            current = nodes[0]
        for node in nodes:
            if node not in before:
                self.nodeAdded.emit(node)
        self._choose(current)

    def _has_actions(self) -> bool:
        return bool(self.addEnabled or self.removeEnabled or self.editEnabled or self.renameEnabled or self._actions)

    def _fill(self, chosen) -> None:
        """Fills the entries anew and shows the chosen one, without telling anyone."""
        nodes = self._nodes()
        self._node_observer.clear()
        for node in nodes:
            self._node_observer.add(node, vtk.vtkCommand.ModifiedEvent, self._rename_entries)
        entries = [(self.noneDisplay, NONE)] if self.noneEnabled else []
        entries += [(node.GetName() or "", node) for node in nodes]
        actions = self._action_entries()
        blocked = self._combo.blockSignals(True)
        self._combo.clear()
        for text, _ in entries:
            self._combo.addItem(text)
        if actions:
            self._combo.insertSeparator(len(entries))
            entries.append(("", None))
            for text, _ in actions:
                self._combo.addItem(text)
        self._entries = [what for _, what in entries + actions]
        self._combo.setPlaceholderText(f"Select a {self.nodeTypeLabel(self.nodeTypes[0] if self.nodeTypes else '')}")
        self._combo.setCurrentIndex(self._index_of(chosen))
        self._combo.blockSignals(blocked)

    def _rename_entries(self) -> None:
        if [entry for entry in self._entries if isinstance(entry, slicer.vtkMRMLNode)] != self._nodes():
            self._update()
            return
        for index, entry in enumerate(self._entries):
            if isinstance(entry, slicer.vtkMRMLNode):
                self._combo.setItemText(index, entry.GetName() or "")

    def _index_of(self, node) -> int:
        for index, entry in enumerate(self._entries):
            if entry is node if node is not None else entry is NONE:
                return index
        return -1

    def _on_index(self, index: int) -> None:
        entry = self._entries[index] if 0 <= index < len(self._entries) else NONE
        if entry is NONE or isinstance(entry, slicer.vtkMRMLNode):
            self._choose(None if entry is NONE else entry)

    def _on_activated(self, index: int) -> None:
        entry = self._entries[index]
        if entry is NONE or isinstance(entry, slicer.vtkMRMLNode):
            self.nodeActivated.emit(None if entry is NONE else entry)
            return
        self._fill(self._current)
        if callable(entry):
            entry()

    # the actions

    def nodeTypeLabel(self, node_type: str) -> str:
        """What nodes of a class are called in the actions."""
        if node_type in self._labels:
            return self._labels[node_type]
        label = self._scene.GetTypeDisplayNameByClassName(node_type) if self._scene is not None and node_type else ""
        return label or "node"

    def setNodeTypeLabel(self, label: str, node_type: str) -> None:
        """Sets what nodes of a class are called in the actions."""
        self._labels[node_type] = label
        self._update()

    def addMenuAction(self, action) -> None:
        """Adds an action of one's own below the others."""
        self._actions.append(action)
        self._update()

    def _action_entries(self) -> list[tuple[str, object]]:
        if self._scene is None:
            return []
        label = self.nodeTypeLabel(self.nodeTypes[0] if len(self.nodeTypes) == 1 else "")
        entries = []
        if self.renameEnabled:
            entries.append((f"Rename current {label}", self.renameCurrentNode))
        if self.editEnabled:
            entries.append((f"Edit current {label}", self.editCurrentNode))
        if self.addEnabled:
            for kind in self.nodeTypes:
                one = self.nodeTypeLabel(kind)
                entries.append((f"Create new {one}", lambda kind=kind: self._create(kind)))
                if self.renameEnabled:
                    entries.append((f"Create new {one} as...", lambda kind=kind: self._create_as(kind)))
        if self.removeEnabled:
            entries.append((f"Delete current {label}", self.removeCurrentNode))
        entries += [(action.text, action.trigger) for action in self._actions]
        return entries

    def addNode(self, node_type: str | None = None):
        """Slot: creates a node of a class (the first of `nodeTypes`), chooses it if wanted, and returns it."""
        if not self.nodeTypes or node_type not in (None, *self.nodeTypes):
            return None
        kind = node_type or self.nodeTypes[0]
        node = self._scene.CreateNodeByClass(kind)
        node.UnRegister(None)
        node.SetName(self._scene.GenerateUniqueName(self.baseName or self.nodeTypeLabel(kind)))
        for attributed, name, value in self._attributes:
            if node.IsA(attributed):
                node.SetAttribute(name, value or "")
        node = self._scene.AddNode(node)
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def _create(self, kind: str) -> None:
        node = self.addNode(kind)
        if node is not None:
            self.setCurrentNode(node)
            self.nodeAddedByUserAction.emit(node)

    def _create_as(self, kind: str) -> None:
        name = self._asked_name(f"Create new {self.nodeTypeLabel(kind)}", "")
        if name:
            node = self.addNode(kind)
            node.SetName(name)
            self.setCurrentNode(node)
            self.nodeAddedByUserAction.emit(node)

    def removeCurrentNode(self) -> None:
        """Slot: removes the current node from the scene."""
        if self._current is not None:
            node = self._current
            self.nodeAboutToBeRemoved.emit(node)
            self._scene.RemoveNode(node)

    def editCurrentNode(self) -> None:
        """Slot: asks for the current node's module."""
        self.nodeAboutToBeEdited.emit(self._current)

    def renameCurrentNode(self) -> None:
        """Slot: asks for a new name of the current node."""
        if self._current is None:
            return
        name = self._asked_name(f"Rename {self.nodeTypeLabel(self._current.GetClassName())}", self._current.GetName())
        if name:
            self._current.SetName(name)
            self.currentNodeRenamed.emit(name)

    def _asked_name(self, title: str, name: str) -> str:
        accepted = dialogs.BoolResult()
        given = QtWidgets.QInputDialog.getText(self, title, "New name:", QtWidgets.QLineEdit.Normal, name, accepted)
        return given if accepted else ""
