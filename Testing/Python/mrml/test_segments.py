"""Masks into a segmentation node, on 3D Slicer's own scene."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import slicer
from hypothesis import given, settings
from hypothesis import strategies as st
from Testing.Python.mrml.reading import SHAPE, assert_holds, box, places
from vtk import reference

from SATSegmentLib.anatomy import coded_entry, terminology_string
from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging import Mask
from SATSegmentLib.mrml import SegmentWriter
from SATSegmentLib.mrml.geometry import to_vtk
from SATSegmentLib.mrml.segments import CONFIDENCE_TAG, MODEL_TAG, TERM_TAG, VERSION_TAG

LIVER, SPLEEN, LUNG = (coded_entry(term) for term in ("liver", "spleen", "left lung"))
LOW, HIGH, BOTH = box((2, 3, 4), (6, 9, 10)), box((12, 10, 2), (18, 20, 5)), box((2, 3, 2), (18, 20, 10))
SURFACE = "Closed surface"


@pytest.fixture
def writer(segmentation, volume):
    return SegmentWriter(segmentation, volume)


def _ids(node):
    return list(node.GetSegmentation().GetSegmentIDs())


def _segment(node, segment_id):
    return node.GetSegmentation().GetSegment(segment_id)


def _names(node):
    return [_segment(node, i).GetName() for i in _ids(node)]


def _tag(node, segment_id, name):
    value = reference("")
    return str(value) if _segment(node, segment_id).GetTag(name, value) else None


def _layers(node):
    return node.GetSegmentation().GetNumberOfLayers()


def _surface(node, segment_id):
    return _segment(node, segment_id).GetRepresentation(SURFACE)


# One by one


def test_every_voxel_arrives_in_its_place_one_segment_after_the_other(writer, segmentation, volume):
    masks = [LOW, HIGH, BOTH, box((0, 0, 0), SHAPE), box((19, 23, 15), SHAPE)]
    ids = []
    for number, mask in enumerate(masks):
        ids.append(writer.put(f"class {number}", LIVER, mask))
        assert _ids(segmentation) == ids
        for segment_id, put in zip(ids, masks, strict=False):
            assert_holds(segmentation, segment_id, volume, put)


def test_segments_share_a_layer_until_they_overlap(writer, segmentation):
    writer.put("liver", LIVER, LOW)
    writer.put("spleen", SPLEEN, HIGH)
    assert _layers(segmentation) == 1
    writer.put("both", LUNG, BOTH)
    assert _layers(segmentation) == 2
    writer.put("corner", LUNG, box((19, 23, 15), SHAPE))
    assert _layers(segmentation) == 2


def test_fifty_masks_over_each_other(writer, segmentation, volume):
    masks = [box((0, 0, 0), (1 + number // 4, 5 + number // 5, 3 + number // 8)) for number in range(50)]
    ids = [writer.put(f"class {number}", LIVER, mask) for number, mask in enumerate(masks)]
    assert _layers(segmentation) == 50
    for segment_id, mask in zip(ids, masks, strict=True):
        assert_holds(segmentation, segment_id, volume, mask)
    assert writer.undo() == 1


def test_a_layer_holds_more_segments_than_a_byte_has_values(writer, segmentation, volume):
    corners = list(np.ndindex(*SHAPE))[:: int(np.prod(SHAPE)) // 300][:300]
    masks = [box(corner, np.add(corner, 1)) for corner in corners]
    ids = [writer.put(f"class {number}", LIVER, mask) for number, mask in enumerate(masks)]
    assert _layers(segmentation) == 1
    for segment_id, mask in zip(ids, masks, strict=True):
        assert_holds(segmentation, segment_id, volume, mask)


def test_an_empty_mask_is_a_segment_without_voxels(writer, segmentation, volume):
    first = writer.put("nothing", LIVER, Mask.empty(SHAPE))
    second = writer.put("liver", LIVER, LOW)
    third = writer.put("nothing either", LIVER, Mask.empty(SHAPE))
    assert_holds(segmentation, second, volume, LOW)
    for empty in (first, third):
        assert len(places(segmentation, empty)) == 0
    assert writer.put("spleen", SPLEEN, HIGH, replace=first) == first
    assert_holds(segmentation, first, volume, HIGH)
    assert _layers(segmentation) == 1


def test_a_volume_whose_indices_do_not_begin_at_zero(segmentation, volume):
    image = volume.GetImageData()
    image.SetExtent(5, 24, -3, 20, 2, 17)
    writer = SegmentWriter(segmentation, volume)
    segment_id = writer.put("liver", LIVER, LOW)
    shifted = places(segmentation, segment_id)
    matrix = to_vtk(np.eye(4))
    volume.GetIJKToRASMatrix(matrix)
    affine = slicer.util.arrayFromVTKMatrix(matrix)
    index = np.argwhere(LOW.array) + np.array((5, -3, 2))
    expected = index @ affine[:3, :3].T + affine[:3, 3]
    np.testing.assert_allclose(np.sort(shifted, 0), np.sort(expected, 0), atol=1e-3)


def test_a_mask_of_another_size_is_refused(writer):
    with pytest.raises(InputError, match="size has changed"):
        writer.put("liver", LIVER, Mask.empty((3, 4, 5)))


# What a segment is


def test_names_colours_terminology_and_tags(writer, segmentation):
    tags = {MODEL_TAG: "sat-tiny", VERSION_TAG: "0.1.0", CONFIDENCE_TAG: 0.87}
    for term, mask in (("left lung", LOW), ("liver", HIGH), ("something unheard of", BOTH)):
        entry = coded_entry(term)
        segment_id = writer.put(term, entry, mask, tags)
        segment = _segment(segmentation, segment_id)
        assert segment.GetName() == term
        np.testing.assert_allclose(segment.GetColor(), np.array(entry.color) / 255)
        assert segment.GetTerminology() == terminology_string(entry)
        assert not segment.GetNameAutoGenerated()
        assert not segment.GetColorAutoGenerated()
        found = [_tag(segmentation, segment_id, name) for name in (TERM_TAG, MODEL_TAG, VERSION_TAG, CONFIDENCE_TAG)]
        assert found == [term, "sat-tiny", "0.1.0", "0.87"]


def test_slicer_reads_the_terminology(writer, segmentation):
    segment = _segment(segmentation, writer.put("left lung", LUNG, LOW))
    entry = slicer.vtkSlicerTerminologyEntry()
    assert slicer.vtkSlicerTerminologiesModuleLogic().DeserializeTerminologyEntry(segment.GetTerminology(), entry)
    assert entry.GetTypeObject().GetCodeValue() == LUNG.type.value
    assert entry.GetTypeModifierObject().GetCodeMeaning() == "Left"


def test_existing_is_found_by_its_term_even_when_renamed(writer, segmentation):
    segment_id = writer.put("liver", LIVER, LOW)
    _segment(segmentation, segment_id).SetName("Leber")
    assert writer.existing("Liver ") == segment_id
    assert writer.existing("leber") == segment_id
    assert writer.existing("spleen") is None


def test_of_several_of_a_term_existing_is_the_newest_and_the_tag_goes_before_the_name(writer, segmentation):
    writer.put("liver", LIVER, LOW)
    tagged = writer.put("liver (2)", LIVER, LOW, {TERM_TAG: "liver"})
    named = writer.put("liver", LIVER, LOW, {TERM_TAG: "hepatic thing"})
    assert writer.existing("liver") == tagged
    assert writer.existing("hepatic thing") == named


def test_existing_finds_what_somebody_else_drew(writer, segmentation):
    segment_id = segmentation.GetSegmentation().AddEmptySegment("", "Liver")
    assert writer.existing("liver") == segment_id


# Replacing


def test_replacing_writes_over_a_segment_in_place(writer, segmentation, volume):
    ids = [writer.put(name, LIVER, mask) for name, mask in (("liver", LOW), ("spleen", HIGH), ("both", BOTH))]
    segmentation.GetDisplayNode().SetSegmentVisibility(ids[0], False)
    corner = box((0, 0, 12), (20, 2, 16))
    assert writer.put("left lung", LUNG, corner, {MODEL_TAG: "nano"}, replace=ids[0]) == ids[0]
    assert _ids(segmentation) == ids
    assert _names(segmentation) == ["left lung", "spleen", "both"]
    assert _tag(segmentation, ids[0], TERM_TAG) == "left lung"
    assert _segment(segmentation, ids[0]).GetTerminology() == terminology_string(LUNG)
    assert not segmentation.GetDisplayNode().GetSegmentVisibility(ids[0])
    for segment_id, mask in zip(ids, (corner, HIGH, BOTH), strict=True):
        assert_holds(segmentation, segment_id, volume, mask)
    assert _layers(segmentation) == 2


def test_replacing_by_what_overlaps_a_neighbour_leaves_the_neighbour_whole(writer, segmentation, volume):
    first, second = writer.put("liver", LIVER, LOW), writer.put("spleen", SPLEEN, HIGH)
    writer.put("liver", LIVER, BOTH, replace=first)
    assert_holds(segmentation, first, volume, BOTH)
    assert_holds(segmentation, second, volume, HIGH)
    assert _layers(segmentation) == 2


def test_replacing_again_and_again_takes_no_more_layers(writer, segmentation, volume):
    first = writer.put("liver", LIVER, LOW)
    for _ in range(20):
        writer.put("liver", LIVER, BOTH, replace=first)
        writer.put("liver", LIVER, LOW, replace=first)
    assert _layers(segmentation) == 1
    assert _segment(segmentation, first).GetLabelValue() < 5
    assert_holds(segmentation, first, volume, LOW)


def test_what_is_no_longer_there_is_added(writer, segmentation, volume):
    gone = writer.put("liver", LIVER, LOW)
    segmentation.RemoveSegment(gone)
    segment_id = writer.put("liver", LIVER, HIGH, replace=gone)
    assert _ids(segmentation) == [segment_id]
    assert_holds(segmentation, segment_id, volume, HIGH)


# Beside the user's own segments


def test_edits_in_between_are_kept(writer, segmentation, volume, scene):
    liver, spleen = writer.put("liver", LIVER, LOW), writer.put("spleen", SPLEEN, HIGH)
    # what the Segment Editor does when a segment is painted on; it shrinks the layer to what is left in it
    painted = slicer.vtkOrientedImageData()
    segmentation.GetBinaryLabelmapRepresentation(spleen, painted)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert logic.SetBinaryLabelmapToSegment(painted, segmentation, liver, logic.MODE_REPLACE)
    for corner in (box((0, 0, 0), (2, 2, 2)), box((18, 22, 14), SHAPE)):
        assert_holds(segmentation, writer.put("corner", LUNG, corner), volume, corner)
    assert_holds(segmentation, liver, volume, HIGH)
    assert_holds(segmentation, spleen, volume, HIGH)


def test_values_that_belong_to_no_segment_do_not_become_one(writer, segmentation, volume):
    writer.put("liver", LIVER, LOW)
    layer = _segment(segmentation, _ids(segmentation)[0]).GetRepresentation("Binary labelmap")
    layer.SetScalarComponentFromDouble(2, 3, 4, 0, 2)  # the next label value, where the liver was
    spleen = writer.put("spleen", SPLEEN, HIGH)
    assert_holds(segmentation, spleen, volume, HIGH)


@pytest.fixture
def drawn_on_another_grid(scene, segmentation, add_volume):
    """The user's segment, kept on the grid of another volume."""
    other = add_volume("MR", np.diag([2.0, 2.0, 2.0, 1.0]))
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(other)
    return SegmentWriter(segmentation, other).put("drawn", SPLEEN, LOW), other


def test_a_segmentation_on_another_grid_stays_on_it_and_new_segments_are_exact(
    segmentation, volume, drawn_on_another_grid
):
    drawn, other = drawn_on_another_grid
    before = segmentation.GetSegmentation().GetConversionParameter("Reference image geometry")
    writer = SegmentWriter(segmentation, volume)
    assert "another grid than CT chest's" in writer.warning
    assert segmentation.GetSegmentation().GetConversionParameter("Reference image geometry") == before
    segment_id = writer.put("liver", LIVER, LOW)
    assert_holds(segmentation, segment_id, volume, LOW)
    assert_holds(segmentation, drawn, other, LOW)
    writer.put("liver", LIVER, HIGH, replace=drawn)
    assert_holds(segmentation, drawn, volume, HIGH)
    writer.undo()
    assert_holds(segmentation, drawn, other, LOW)


def test_a_finer_grid_is_another_grid(segmentation, add_volume):
    """As the Segment Editor's oversampling makes it: each voxel of the volume is one of it, but not the reverse."""
    coarse, fine = add_volume("CT", np.diag([2.0, 2.0, 2.0, 1.0])), add_volume("MR", np.eye(4))
    SegmentWriter(segmentation, fine).put("drawn", SPLEEN, LOW)
    writer = SegmentWriter(segmentation, coarse)
    assert "another grid than CT's" in writer.warning
    assert_holds(segmentation, writer.put("liver", LIVER, LOW), coarse, LOW)


def test_a_flipped_grid_is_the_same_grid(segmentation, add_volume):
    flipped = np.diag([-1.0, 1.0, 1.0, 1.0])
    flipped[0, 3] = SHAPE[0] - 1
    SegmentWriter(segmentation, add_volume("CT", np.eye(4))).put("drawn", SPLEEN, LOW)
    again = add_volume("again", flipped)
    writer = SegmentWriter(segmentation, again)
    assert writer.warning is None
    assert_holds(segmentation, writer.put("liver", LIVER, LOW), again, LOW)


def test_a_segmentation_from_a_file_is_tied_to_the_volume(segmentation, volume, writer):
    writer.put("liver", LIVER, LOW)
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    segmentation.RemoveNodeReferenceIDs(role)
    assert SegmentWriter(segmentation, volume).warning is None
    assert segmentation.GetNodeReference(role) is volume


def test_surfaces_as_the_source_are_refused(segmentation, volume, writer):
    writer.put("liver", LIVER, LOW)
    segmentation.CreateClosedSurfaceRepresentation()
    segmentation.SetSourceRepresentationToClosedSurface()
    with pytest.raises(InputError, match="surfaces or contours"):
        SegmentWriter(segmentation, volume)
    for action in (lambda: writer.put("spleen", SPLEEN, HIGH), writer.undo):
        with pytest.raises(InputError, match="surfaces or contours"):
            action()


def test_nodes_that_are_not_there_are_refused(scene, segmentation, volume):
    with pytest.raises(InputError, match="No output segmentation"):
        SegmentWriter(None, volume)
    with pytest.raises(InputError, match="No output segmentation"):
        SegmentWriter(volume, volume)
    for absent in (None, scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")):
        with pytest.raises(InputError, match="no longer there"):
            SegmentWriter(segmentation, absent)


# Where the segmentation is


def test_the_volumes_grid_is_the_reference_geometry(writer, segmentation, volume, oblique):
    text = segmentation.GetSegmentation().GetConversionParameter("Reference image geometry")
    numbers = [float(number) for number in text.split(";") if number]
    np.testing.assert_allclose(np.array(numbers[:16]).reshape(4, 4), oblique, atol=1e-5)
    assert numbers[16:] == [0, 19, 0, 23, 0, 15]
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    assert segmentation.GetNodeReference(role) is volume
    assert writer.warning is None


def test_a_new_segmentation_moves_with_the_volume(segmentation, volume, add_transform):
    transform = add_transform()
    volume.SetAndObserveTransformNodeID(transform.GetID())
    writer = SegmentWriter(segmentation, volume)
    segment_id = writer.put("liver", LIVER, LOW)
    assert_holds(segmentation, segment_id, volume, LOW)
    transform.SetMatrixTransformToParent(to_vtk(np.diag([1.0, -1.0, 1.0, 1.0])))
    assert_holds(segmentation, segment_id, volume, LOW)


def test_an_existing_segmentation_keeps_its_own_transform_and_the_place_is_right(
    segmentation, volume, add_volume, add_transform
):
    still = add_volume("MR")
    drawn = SegmentWriter(segmentation, still).put("drawn", SPLEEN, LOW)
    volume.SetAndObserveTransformNodeID(add_transform().GetID())
    segmentation.SetAndObserveTransformNodeID(add_transform(np.diag([-1.0, 1.0, 1.0, 1.0]), "Mirror").GetID())
    still.SetAndObserveTransformNodeID(segmentation.GetTransformNodeID())
    writer = SegmentWriter(segmentation, volume)
    segment_id = writer.put("liver", LIVER, LOW)
    assert segmentation.GetParentTransformNode().GetName() == "Mirror"
    assert_holds(segmentation, segment_id, volume, LOW)
    assert_holds(segmentation, drawn, still, LOW)


def test_transforms_that_are_not_linear_are_refused(segmentation, volume, warp):
    segmentation.SetAndObserveTransformNodeID(warp.GetID())
    with pytest.raises(InputError, match="Segmentation is under a transform that is not linear"):
        SegmentWriter(segmentation, volume)
    segmentation.SetAndObserveTransformNodeID(None)
    volume.SetAndObserveTransformNodeID(warp.GetID())
    with pytest.raises(InputError, match="CT chest is under a transform that is not linear"):
        SegmentWriter(segmentation, volume)
    assert segmentation.GetParentTransformNode() is None


@pytest.fixture
def study(scene, volume):
    """The subject hierarchy with a volume under a patient's study: (hierarchy, study item)."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Patient")
    item = hierarchy.CreateStudyItem(patient, "Study")
    hierarchy.CreateItem(item, volume)
    return hierarchy, item


def test_the_segmentation_comes_beside_the_volume(study, segmentation, volume):
    hierarchy, item = study
    SegmentWriter(segmentation, volume)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(segmentation)) == item


def test_an_item_that_the_application_made_is_moved(study, segmentation, volume):
    hierarchy, item = study
    made = hierarchy.CreateItem(hierarchy.GetSceneItemID(), segmentation)
    SegmentWriter(segmentation, volume)
    assert hierarchy.GetItemByDataNode(segmentation) == made
    assert hierarchy.GetItemParent(made) == item


def test_where_the_user_has_put_it_it_stays(study, segmentation, volume):
    hierarchy, _ = study
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Mine")
    made = hierarchy.CreateItem(folder, segmentation)
    SegmentWriter(segmentation, volume).put("liver", LIVER, LOW)
    assert hierarchy.GetItemParent(made) == folder
    hierarchy.SetItemParent(made, hierarchy.GetSceneItemID())
    SegmentWriter(segmentation, volume)
    assert hierarchy.GetItemParent(made) == hierarchy.GetSceneItemID()


# Runs and undo


def test_undo_takes_back_the_whole_last_run_and_nothing_before(writer, segmentation, volume):
    writer.begin()
    before = writer.put("liver", LIVER, LOW)
    writer.finish()
    writer.begin()
    for name, mask in (("spleen", HIGH), ("both", BOTH), ("corner", box((0, 0, 0), (2, 2, 2)))):
        writer.put(name, SPLEEN, mask)
    writer.put("left lung", LUNG, HIGH, {MODEL_TAG: "nano"}, replace=before)
    writer.finish()
    assert writer.can_undo
    assert writer.undo() == 4
    assert not writer.can_undo
    assert _ids(segmentation) == [before]
    assert _names(segmentation) == ["liver"]
    assert_holds(segmentation, before, volume, LOW)
    assert _tag(segmentation, before, TERM_TAG) == "liver"
    assert _tag(segmentation, before, MODEL_TAG) is None
    assert _segment(segmentation, before).GetTerminology() == terminology_string(LIVER)
    np.testing.assert_allclose(_segment(segmentation, before).GetColor(), np.array(LIVER.color) / 255)
    assert writer.undo() == 0


def test_undo_gives_back_what_somebody_else_drew(writer, segmentation, volume):
    drawn = writer.put("liver", LIVER, BOTH)
    segment = _segment(segmentation, drawn)
    segment.SetName("my liver")
    segment.SetColor(0.1, 0.2, 0.3)
    segment.SetNameAutoGenerated(True)
    segment.RemoveTag(TERM_TAG)
    writer.put("liver", LIVER, LOW, replace=drawn)
    writer.undo()
    assert segment.GetName() == "my liver"
    assert segment.GetColor() == (0.1, 0.2, 0.3)
    assert segment.GetNameAutoGenerated()
    assert _tag(segmentation, drawn, TERM_TAG) is None
    assert_holds(segmentation, drawn, volume, BOTH)


def test_one_segment_written_twice_in_a_run(writer, segmentation, volume):
    before = writer.put("liver", LIVER, LOW)
    writer.begin()
    writer.put("liver", LIVER, HIGH, replace=before)
    writer.put("liver", LIVER, BOTH, replace=before)
    added = writer.put("spleen", SPLEEN, HIGH)
    writer.put("spleen", SPLEEN, LOW, replace=added)
    writer.finish()
    writer.undo()
    assert _ids(segmentation) == [before]
    assert_holds(segmentation, before, volume, LOW)


def test_without_a_run_every_segment_is_one(writer, segmentation):
    first = writer.put("liver", LIVER, LOW)
    writer.put("spleen", SPLEEN, HIGH)
    assert writer.undo() == 1
    assert _ids(segmentation) == [first]


def test_what_the_user_removed_meanwhile(writer, segmentation, volume):
    before = writer.put("liver", LIVER, LOW)
    writer.begin()
    added = writer.put("spleen", SPLEEN, HIGH)
    writer.put("liver", LIVER, BOTH, replace=before)
    writer.finish()
    segmentation.RemoveSegment(added)
    segmentation.RemoveSegment(before)
    writer.undo()
    assert _names(segmentation) == ["liver"]
    assert_holds(segmentation, before, volume, LOW)


def test_undo_when_others_took_the_place(writer, segmentation, volume, add_volume):
    """A second writer, or a script, has written where the replaced segment was."""
    before = writer.put("liver", LIVER, LOW)
    writer.begin()
    writer.put("liver", LIVER, HIGH, replace=before)
    writer.finish()
    other = SegmentWriter(segmentation, volume).put("other", LUNG, LOW)
    writer.undo()
    assert_holds(segmentation, before, volume, LOW)
    assert_holds(segmentation, other, volume, LOW)


def test_undo_after_the_layers_were_merged(writer, segmentation, volume):
    """As saving does."""
    before = writer.put("liver", LIVER, BOTH)
    writer.begin()
    writer.put("liver", LIVER, LOW, replace=before)
    added = [writer.put("spleen", SPLEEN, HIGH), writer.put("left lung", LUNG, box((0, 0, 0), (2, 2, 2)))]
    writer.finish()
    segmentation.GetSegmentation().SeparateSegmentLabelmap(added[0])
    segmentation.GetSegmentation().CollapseBinaryLabelmaps(False)
    writer.undo()
    assert _ids(segmentation) == [before]
    assert_holds(segmentation, before, volume, BOTH)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_order_of_adding_replacing_and_undoing_is_as_with_plain_arrays(data):
    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerSegmentationsModuleLogic()
    logic.SetMRMLScene(scene)
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    slicer.util.updateVolumeFromArray(volume, np.zeros((4, 5, 6), np.int16))
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    writer = SegmentWriter(node, volume)
    bits = st.lists(st.booleans(), min_size=120, max_size=120)
    state: dict[str, np.ndarray] = {}
    for _ in range(data.draw(st.integers(1, 4), "runs")):
        before = dict(state)
        writer.begin(hold=data.draw(st.booleans(), "hold"))
        for _ in range(data.draw(st.integers(0, 5), "segments")):
            array = np.array(data.draw(bits)).reshape(6, 5, 4) & np.array(data.draw(bits)).reshape(6, 5, 4)
            replace = data.draw(st.sampled_from([None, *state]))
            state[writer.put("x", LIVER, Mask.of(array), replace=replace)] = array
        writer.finish()
        if data.draw(st.booleans(), "undo"):
            writer.undo()
            state = before
        assert _ids(node) == list(state)
        for segment_id, array in state.items():
            assert_holds(node, segment_id, volume, Mask.of(array))
    scene.Clear(True)


# Views


@pytest.fixture
def heard(segmentation, writer):
    """What observers of the node hear."""
    events = Counter()
    for name in ("SegmentAdded", "SegmentRemoved", "SourceRepresentationModified", "RepresentationModified"):
        segmentation.AddObserver(getattr(slicer.vtkSegmentation, name), lambda *_, name=name: events.update([name]))
    display = slicer.vtkMRMLDisplayableNode.DisplayModifiedEvent
    segmentation.AddObserver(display, lambda *_: events.update(["Display"]))
    return events


def test_views_hear_of_each_segment_once(writer, heard):
    for number in range(1, 4):
        writer.put("liver", LIVER, LOW)
        assert heard["SegmentAdded"] == number
        assert heard["Display"] <= number
    assert heard["RepresentationModified"] == 0


def test_of_a_run_that_is_held_they_hear_once_at_its_end(writer, heard, segmentation):
    segment_id = writer.put("liver", LIVER, LOW)
    heard.clear()
    writer.begin(hold=True)
    for number in range(5):
        writer.put(f"class {number}", LIVER, LOW)
        writer.put("liver", LIVER, HIGH, replace=segment_id)
    assert not heard
    writer.finish()
    assert heard["SegmentAdded"] == heard["RepresentationModified"] == heard["SourceRepresentationModified"] == 1
    assert heard["Display"] <= 1
    heard.clear()
    writer.undo()
    assert heard["SegmentRemoved"] == 1


def test_the_scene_knows_that_there_is_something_to_save(writer, segmentation, tmp_path):
    segment_id = writer.put("liver", LIVER, LOW)
    segmentation.AddDefaultStorageNode()
    storage = segmentation.GetStorageNode()
    storage.SetFileName(str(tmp_path / "a.seg.nrrd"))
    for change in (
        lambda: writer.put("spleen", SPLEEN, HIGH),
        lambda: writer.put("left lung", LUNG, LOW, replace=segment_id),
        writer.undo,
    ):
        assert storage.WriteData(segmentation)
        assert not segmentation.GetModifiedSinceRead()
        change()
        assert segmentation.GetModifiedSinceRead()


def test_surfaces_are_made_when_asked_for_only(writer, segmentation):
    segment_id = writer.put("liver", LIVER, LOW)
    assert _surface(segmentation, segment_id) is None
    writer.show_3d(True)
    assert _surface(segmentation, segment_id).GetNumberOfPoints() > 0
    assert segmentation.GetDisplayNode().GetPreferredDisplayRepresentationName3D() == SURFACE
    writer.show_3d(False)
    assert _surface(segmentation, segment_id) is None


def test_while_surfaces_are_shown_only_those_of_changed_segments_are_made_anew(writer, segmentation):
    liver, spleen = writer.put("liver", LIVER, LOW), writer.put("spleen", SPLEEN, HIGH)
    writer.show_3d(True)
    liver_before, spleen_before = _surface(segmentation, liver), _surface(segmentation, spleen)
    low_bounds = liver_before.GetBounds()
    corner = box((0, 0, 0), (3, 3, 3))
    added = writer.put("left lung", LUNG, corner)
    assert _surface(segmentation, added).GetNumberOfPoints() > 0
    writer.put("liver", LIVER, box((17, 0, 12), (20, 4, 16)), replace=liver)
    assert _surface(segmentation, liver) is not liver_before
    assert _surface(segmentation, liver).GetBounds() != low_bounds
    assert _surface(segmentation, spleen) is spleen_before
    writer.undo()
    np.testing.assert_allclose(_surface(segmentation, liver).GetBounds(), low_bounds)
    assert _surface(segmentation, spleen) is spleen_before


# While it runs


def test_the_scene_is_closed_in_the_middle(scene, writer, segmentation):
    writer.begin(hold=True)
    writer.put("liver", LIVER, LOW)
    scene.Clear(False)
    with pytest.raises(InputError, match="no longer in the scene"):
        writer.put("spleen", SPLEEN, HIGH)
    writer.finish()
    assert not writer.can_undo
    with pytest.raises(InputError, match="no longer in the scene"):
        writer.undo()


def test_the_segmentation_is_deleted_in_the_middle(scene, writer, segmentation):
    writer.begin()
    scene.RemoveNode(segmentation)
    with pytest.raises(InputError, match="no longer in the scene"):
        writer.put("liver", LIVER, LOW)
    writer.finish()


def test_the_volume_is_deleted_in_the_middle(scene, writer, segmentation, volume, add_volume):
    same = add_volume("the same place")
    writer.begin()
    scene.RemoveNode(volume)
    segment_id = writer.put("liver", LIVER, LOW)
    writer.finish()
    assert_holds(segmentation, segment_id, same, LOW)


def test_the_voxels_of_a_segment_are_counted_among_others_in_its_layer(writer, segmentation):
    first = writer.put("liver", LIVER, LOW)
    second = writer.put("spleen", SPLEEN, HIGH)
    assert _layers(segmentation) == 1
    assert writer.voxels() == {first: LOW.voxels, second: HIGH.voxels}
    writer.undo()
    assert writer.voxels() == {first: LOW.voxels}
