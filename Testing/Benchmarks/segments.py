"""What it costs to write a hundred masks into a segmentation node, against 3D Slicer's own call for one mask."""

from __future__ import annotations

import time

import numpy as np

_SHAPE = (512, 512, 300)
_CLASSES = 100
_BY_SLICER = 20  # of them: its call takes about a second a segment
_CELLS = (5, 5, 4)


def segments() -> None:
    """A hundred masks as a whole-body model gives them: organs side by side, every tenth over its neighbours."""
    import slicer

    from SATSegmentLib.mrml import SegmentWriter, layers

    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerSegmentationsModuleLogic()
    logic.SetMRMLScene(scene)
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    slicer.util.updateVolumeFromArray(volume, np.zeros(_SHAPE[::-1], np.int16))
    masks = [_mask(number) for number in range(_CLASSES)]
    filled = sum(mask.voxels for mask in masks) / np.prod(_SHAPE)
    print(f"{_CLASSES} masks that fill {filled:.0%} of {' x '.join(map(str, _SHAPE))} voxels", flush=True)

    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "written")
    writer = SegmentWriter(node, volume)
    ours = _run(writer, masks)
    _print("written", ours, f", into {node.GetSegmentation().GetNumberOfLayers()} layers")
    _print("written over", _run(writer, masks, node.GetSegmentation().GetSegmentIDs()))
    _print("undone", [_seconds(writer.undo)])
    ids = list(node.GetSegmentation().GetSegmentIDs())
    _print("removed", [_seconds(layers.remove, node.GetSegmentation(), ids)])

    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "imported")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    theirs = [_import(scene, logic, node, volume, mask) for mask in masks[:_BY_SLICER]]
    ratio = np.mean(theirs) / np.mean(ours)
    _print(
        f"the first {_BY_SLICER} by what slicer.util.updateSegmentBinaryLabelmapFromArray does",
        theirs,
        f", {ratio:.0f} times as long each",
    )


def _run(writer, masks, replace=(None,) * _CLASSES) -> list[float]:
    from SATSegmentLib.anatomy import coded_entry

    entry = coded_entry("liver")
    writer.begin()
    times = [
        _seconds(writer.put, f"class {number}", entry, mask, None, segment_id)
        for number, (mask, segment_id) in enumerate(zip(masks, replace, strict=True))
    ]
    writer.finish()
    return times


def _seconds(function, *arguments) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def _print(what: str, times: list[float], more: str = "") -> None:
    each = f" ({1000 * np.mean(times):.0f} ms each, longest {1000 * max(times):.0f})" if len(times) > 1 else ""
    print(f"{what}: {sum(times):.1f} s{each}{more}", flush=True)


def _mask(number: int):
    """An ellipsoid in its own cell of the volume; every tenth is twice as wide as its cell."""
    from SATSegmentLib.imaging import Mask

    cell = np.array(_SHAPE) / _CELLS
    centre = (np.array(np.unravel_index(number, _CELLS)) + 0.5) * cell
    radius = cell * (1.0 if number % 10 == 9 else 0.48)
    start = np.maximum(np.floor(centre - radius), 0).astype(int)
    stop = np.minimum(np.ceil(centre + radius), _SHAPE).astype(int)
    axes = [((np.arange(a, b) + 0.5 - c) / r) ** 2 for a, b, c, r in zip(start, stop, centre, radius, strict=True)]
    block = axes[0][:, None, None] + axes[1][:, None] + axes[2] < 1
    return Mask.of(block, tuple(start.tolist()), _SHAPE)


def _import(scene, logic, node, volume, mask) -> float:
    """Seconds of what slicer.util.updateSegmentBinaryLabelmapFromArray does, which itself needs the application."""
    import slicer
    from vtk import vtkStringArray

    array = mask.array.astype(np.uint8).transpose(2, 1, 0)
    start = time.perf_counter()
    ids = vtkStringArray()
    ids.InsertNextValue(node.GetSegmentation().AddEmptySegment())
    labelmap = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    labelmap.CopyOrientation(volume)
    slicer.util.updateVolumeFromArray(labelmap, array)
    logic.ImportLabelmapToSegmentationNode(labelmap, node, ids)
    scene.RemoveNode(labelmap)
    return time.perf_counter() - start
