"""What a session is asked for: which image, which terms."""

from __future__ import annotations

from dataclasses import dataclass

from vtk import vtkMatrix4x4

from ..anatomy.codes import CodedEntry
from ..mrml.regions import roi_box


@dataclass(frozen=True)
class Asked:
    """A term to segment.

    Attributes:
        name: As a segment.
        prompt: The text for the model.
        entry: Its codes and colour.
        free: Whether the model was not trained on it, so that its text encoder may be needed.
    """

    name: str
    prompt: str
    entry: CodedEntry
    free: bool = False


@dataclass(frozen=True)
class ImageSettings:
    """What is encoded, and how.

    Attributes:
        volume_node: vtkMRMLScalarVolumeNode.
        modality: "ct", "mri", "pet", "us", or None to guess.
        model: Name of an installed model.
        device: As the worker knows it, or "auto".
        roi_node: vtkMRMLMarkupsROINode, or None for the whole volume.
    """

    volume_node: object
    modality: str | None
    model: str
    device: str = "auto"
    roi_node: object = None

    def key(self) -> tuple:
        """The same as long as the image's features are the same; cheap to ask."""
        node = self.volume_node
        matrix = _world_matrix(node)
        box = None if self.roi_node is None else tuple(round(x, 3) for x in roi_box(self.roi_node))
        changed = node.GetImageData().GetMTime() if node.GetImageData() else 0
        return node.GetID(), changed, matrix, self.modality, self.model, self.device, box


def _world_matrix(node) -> tuple[float, ...]:
    """IJK to world, as numbers that compare; of a non-linear transform, the node's own matrix."""
    matrix = vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    transform = node.GetParentTransformNode()
    if transform is not None and transform.IsTransformToWorldLinear():
        to_world = vtkMatrix4x4()
        transform.GetMatrixTransformToWorld(to_world)
        vtkMatrix4x4.Multiply4x4(to_world, matrix, matrix)
    return tuple(round(matrix.GetElement(i, j), 6) for i in range(3) for j in range(4))
