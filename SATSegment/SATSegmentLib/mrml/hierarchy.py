"""The subject hierarchy."""

from __future__ import annotations

import slicer


def place_beside(node, volume_node) -> None:
    """Puts a node under the study or folder of a volume, unless somebody has put it somewhere before."""
    scene = node.GetScene()
    if scene is None or volume_node.GetScene() is not scene:
        return
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    root = hierarchy.GetSceneItemID()
    # The application makes these items itself; scripts without it do not
    volume_item, item = (
        hierarchy.GetItemByDataNode(one) or hierarchy.CreateItem(root, one) for one in (volume_node, node)
    )
    parent = hierarchy.GetItemParent(volume_item)
    if parent != root and hierarchy.GetItemParent(item) == root:
        hierarchy.SetItemParent(item, parent)
