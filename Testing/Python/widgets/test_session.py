"""The panel's session on a real scene with the real worker and the built-in model."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import slicer
import slicerio

from SATSegmentLib.anatomy import coded_entry
from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging import Mask, Volume
from SATSegmentLib.mrml.kept import kept_segments
from SATSegmentLib.mrml.layers import voxels_of
from SATSegmentLib.output.cleaning import clean
from SATSegmentLib.widgets.asked import Asked, ImageSettings
from SATSegmentLib.widgets.outcome import Cleaning
from SATSegmentLib.widgets.session import ENCODING, IDLE, Session
from SATSegmentLib.worker.client import Worker

LAUNCHER = Path(__file__).resolve().parents[1] / "worker" / "launcher.py"
CT = Path(slicerio.__file__).parent / "data" / "CTChest4.nrrd"
LUNGS = ("right lung", "left lung")


def asked(*names):
    return [Asked(name, name, coded_entry(name)) for name in names]


@pytest.fixture
def scene():
    scene = slicer.vtkMRMLScene()
    yield scene
    scene.Clear(True)


def load(scene, name="chest"):
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(CT))
    assert storage.ReadData(node)
    return node


@pytest.fixture
def volume(scene):
    return load(scene)


@pytest.fixture
def output(scene):
    return scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "out")


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.stop()


@pytest.fixture
def session(worker):
    session = Session(worker)
    yield session
    session.cancel()
    wait(session)
    session.stop_preview()


def settings(volume, **keywords):
    return ImageSettings(volume, "ct", "sat-tiny", **keywords)


@pytest.fixture
def small(scene, volume):
    """Settings of a part of the volume that one window holds."""
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    roi.SetCenterWorld(20, 0, -250)
    roi.SetSizeWorld(160, 200, 100)
    return settings(volume, roi_node=roi)


def wait(session, until=None, seconds=120):
    end = time.monotonic() + seconds
    while session.busy if until is None else not until():
        assert time.monotonic() < end, f"still {session.stage} after {seconds} s"
        session.poll()
        time.sleep(0.005)


def names_of(output):
    segmentation = output.GetSegmentation()
    return [segmentation.GetNthSegment(i).GetName() for i in range(segmentation.GetNumberOfSegments())]


def test_terms_become_coded_segments_one_by_one(session, volume, output):
    seen = []
    session._changed = lambda: seen.append((session.stage, len(session.rows)))
    session.segment(settings(volume), asked(*LUNGS, "spinal cord"), output)
    assert session.busy
    wait(session)
    assert session.error is None
    assert names_of(output) == [*LUNGS, "spinal cord"]
    assert next(count for _, count in seen if count) == 1  # not all at once
    for index, name in enumerate(LUNGS):
        segment = output.GetSegmentation().GetNthSegment(index)
        entry = coded_entry(name)
        assert "39607008" in segment.GetTerminology()
        np.testing.assert_allclose(segment.GetColor(), np.array(entry.color) / 255, atol=1e-3)
    right = session.rows[0]
    assert (right.name, right.segment_id) == ("right lung", output.GetSegmentation().GetNthSegmentID(0))
    assert 1000 < right.volume_ml < 4000
    assert right.mean < -500
    assert 0.5 < right.confidence < 1
    assert right.center[0] > 0  # right is +R


def test_a_further_term_needs_no_encoding(session, volume, output):
    session.segment(settings(volume), asked("right lung"), output)
    wait(session)
    assert session.is_ready(settings(volume))
    assert session.seconds["encode"] > 0
    stages = set()
    session._changed = lambda: stages.add(session.stage)
    session.segment(settings(volume), asked("left lung"), output)
    wait(session)
    assert "encoding" not in stages
    assert names_of(output) == ["right lung", "left lung"]
    assert list(session.seconds) == ["segment"]  # nothing was encoded
    assert [row.name for row in session.rows] == ["right lung", "left lung"]


def test_another_region_or_image_is_not_ready(session, scene, volume, output):
    session.segment(settings(volume), asked("right lung"), output)
    wait(session)
    assert not session.is_ready(ImageSettings(volume, "mri", "sat-tiny"))
    other = load(scene, "other")
    assert not session.is_ready(settings(other))
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    roi.SetCenterWorld(60, 0, -150)
    roi.SetSizeWorld(100, 100, 100)
    assert not session.is_ready(settings(volume, roi_node=roi))
    slicer.util.arrayFromVolume(volume)[:] = -1000
    volume.GetImageData().Modified()
    assert not session.is_ready(settings(volume))


def test_a_region_limits_the_segment(session, scene, volume, output):
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    center = [(bounds[2 * i] + bounds[2 * i + 1]) / 2 for i in range(3)]
    roi.SetCenterWorld(*center)
    roi.SetSizeWorld(120, 120, 80)
    session.segment(settings(volume), asked("right lung"), output)
    wait(session)
    whole = session.rows[-1].volume_ml
    session.segment(settings(volume, roi_node=roi), asked("right lung"), output)
    wait(session)
    assert 0 < session.rows[-1].volume_ml < whole / 2


def test_undo_takes_back_the_last_run_only(session, volume, output):
    session.segment(settings(volume), asked("right lung"), output)
    wait(session)
    session.segment(settings(volume), asked("left lung", "spinal cord"), output)
    wait(session)
    session.undo()
    assert names_of(output) == ["right lung"]
    session.undo()
    assert names_of(output) == []
    assert not session.can_undo


def test_a_segment_can_be_replaced(session, volume, output):
    session.segment(settings(volume), asked("right lung"), output)
    wait(session)
    (first,) = (row.segment_id for row in session.rows)
    session.segment(settings(volume), asked("right lung"), output, {"right lung": first})
    wait(session)
    assert names_of(output) == ["right lung"]
    session.segment(settings(volume), asked("right lung"), output)
    wait(session)
    assert names_of(output) == ["right lung", "right lung"]


def test_two_terms_of_one_prompt_are_asked_once(session, volume, output):
    both = [Asked("right lung", "right lung", coded_entry("right lung")), Asked("R", "right lung", coded_entry("lung"))]
    session.segment(settings(volume), both, output)
    wait(session)
    assert names_of(output) == ["right lung", "R"]
    assert session.rows[0].voxels == session.rows[1].voxels > 0


def test_cancel_stops_the_encoding_and_the_next_run_works(session, volume, output):
    slicer.util.arrayFromVolume(volume)[0, 0, 0] += 1  # another image, not kept
    volume.GetImageData().Modified()
    session.segment(settings(volume), asked("right lung"), output)
    session.cancel()
    wait(session, seconds=30)
    assert session.error is None
    assert names_of(output) == []
    session.segment(settings(volume), asked("right lung"), output)
    wait(session)
    assert names_of(output) == ["right lung"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_killed_worker_is_told_and_started_again(volume, output):
    worker = Worker()
    session = Session(worker)
    try:
        session.segment(settings(volume), asked("right lung"), output)
        wait(session)
        os.kill(worker.info["pid"], signal.SIGKILL)
        wait(session, lambda: not session.is_ready(settings(volume)), 10)
        session.segment(settings(volume), asked("left lung"), output)
        wait(session)
        if session.error is not None:  # it died with the request
            assert session.error.kind == "died"
            session.segment(settings(volume), asked("left lung"), output)
            wait(session)
        assert session.error is None
        assert names_of(output) == ["right lung", "left lung"]
    finally:
        session.close()
    assert worker.state == "stopped"


def test_a_closed_scene_ends_the_run(session, scene, volume, output):
    session.segment(settings(volume), asked(*LUNGS), output)
    session.forget()
    scene.Clear(True)
    wait(session)
    assert session.rows == []
    assert session.stage == IDLE


def test_a_preview_is_shown_and_never_written(session, volume, output):
    shown = []
    session.preview(asked("right lung")[0], shown.append)
    assert shown == []  # no image is ready
    session.segment(settings(volume), asked("left lung"), output)
    wait(session)
    session.preview(asked("right lung")[0], shown.append)
    wait(session, lambda: shown, 30)
    assert shown[0].voxels > 1000
    session.preview(asked("right lung")[0], shown.append)  # kept
    assert len(shown) == 2
    session.preview(asked("spinal cord")[0], shown.append)
    session.stop_preview()
    end = time.monotonic() + 2
    while time.monotonic() < end:
        session.poll()
    assert len(shown) == 2
    assert names_of(output) == ["left lung"]
    assert len(session.rows) == 1


def test_another_machine_gets_arrays_through_the_stream(volume, output):
    command = [sys.executable, "-m", "SATSegmentLib.worker"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3] / "SATSegment")}
    session = Session(Worker(command, environment, remote=True))
    try:
        session.segment(settings(volume), asked("right lung"), output)
        wait(session)
        assert session.error is None
        assert session.rows[0].voxels > 1000
        assert session._folder is None
    finally:
        session.close()


def test_what_cannot_be_done_is_said_before_anything_runs(session, scene, volume, output):
    with pytest.raises(InputError, match="at least one term"):
        session.segment(settings(volume), [], output)
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    with pytest.raises(InputError):
        session.segment(settings(empty), asked("liver"), output)
    session.segment(settings(volume), asked("right lung"), output)
    with pytest.raises(InputError, match="cancel it first"):
        session.segment(settings(volume), asked("left lung"), output)
    wait(session)


def test_an_unknown_model_is_an_error_in_words(session, volume, output):
    session.segment(ImageSettings(volume, "ct", "no-such-model"), asked("right lung"), output)
    wait(session)
    assert 'no model "no-such-model"' in str(session.error)
    assert names_of(output) == []


def test_a_region_that_was_moved_is_encoded_again(session, scene, volume, output):
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    middle = [(low + high) / 2 for low, high in zip(bounds[::2], bounds[1::2], strict=True)]
    roi.SetSizeWorld(80, 80, 60)
    centers = []
    for shift in (70, -70):
        roi.SetCenterWorld(middle[0] + shift, middle[1], middle[2])
        assert not session.is_ready(settings(volume, roi_node=roi))
        session.segment(settings(volume, roi_node=roi), asked("right lung" if shift > 0 else "left lung"), output)
        wait(session)
        assert session.error is None
        assert "encode" in session.seconds
        centers.append(session.rows[-1].center)
    assert centers[0][0] > middle[0] > centers[1][0]


def free(*names):
    return [Asked(name, name, coded_entry(name), free=True) for name in names]


def test_free_text_that_cannot_be_asked_is_told_before_the_image_is_encoded(small, output):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3] / "SATSegment")}
    session = Session(Worker([sys.executable, str(LAUNCHER), "lacks", "transformers"], environment))
    stages = set()
    session._changed = lambda: stages.add(session.stage)
    try:
        session.segment(small, [*asked("right lung"), *free("blue lung")], output)
        wait(session)
        assert str(session.error).startswith("Remove blue lung from the list")
        assert '"transformers" is missing' in str(session.error)
        assert ENCODING not in stages
        assert names_of(output) == []
    finally:
        session.close()


def test_free_text_is_segmented_where_it_can_be(session, small, output):
    session.segment(small, [*asked("right lung"), *free("the lung on the left")], output)
    wait(session)
    assert session.error is None
    assert names_of(output) == ["right lung", "the lung on the left"]


def test_an_image_that_the_worker_no_longer_holds_is_encoded_again_by_itself(session, worker, small, output):
    session.segment(small, asked("right lung"), output)
    wait(session)
    worker.wait(worker.request("clearCache"), 30)  # behind the session's back
    assert session.is_ready(small)
    session.segment(small, asked("left lung"), output)
    wait(session)
    assert session.error is None
    assert "encode" in session.seconds
    assert names_of(output) == ["right lung", "left lung"]
    session.undo()
    assert names_of(output) == ["right lung"]


def test_what_is_kept_is_told_and_cleared(session, small, output):
    session.segment(small, asked("right lung"), output)
    wait(session)
    kept = session.kept
    assert sum(kept.values()) > 1e6
    freed = []
    session.clear_cache(freed.append, freed.append)
    wait(session, lambda: freed, 30)
    assert freed == [sum(kept.values())]
    assert sum(session.kept.values()) == 0
    assert not session.is_ready(small)


def test_of_previews_wanted_in_quick_succession_only_the_newest_waits(session, worker, small, output):
    session.segment(small, asked("left lung"), output)
    wait(session)
    shown = []
    names = ["spinal cord", "heart", "trachea", "vertebrae", "right lung"]
    for name in names:
        session.preview(asked(name)[0], lambda mask, name=name: shown.append((name, mask.voxels)))
        assert len(worker._open) == 1
    wait(session, lambda: shown, 60)
    assert [name for name, _ in shown] == ["right lung"]
    assert shown[0][1] > 1000
    pid = worker.info["pid"]
    end = time.monotonic() + 2.5  # the time after which a run that does not stop would be killed
    while time.monotonic() < end:
        session.poll()
        time.sleep(0.01)
    assert worker.info["pid"] == pid
    assert len(shown) == 1


def test_rows_come_back_from_the_segments_themselves(session, worker, small, output):
    session.segment(small, asked("right lung", "spinal cord"), output)
    wait(session)
    again = Session(worker)
    again.show_output(output)
    wait(again, lambda: len(again.rows) == 2)
    for before, after in zip(session.rows, again.rows, strict=True):
        assert (after.name, after.segment_id, after.voxels) == (before.name, before.segment_id, before.voxels)
        assert after.volume_ml == pytest.approx(before.volume_ml)
        assert after.mean == pytest.approx(before.mean, abs=1e-3)
        assert after.confidence == pytest.approx(before.confidence, abs=1e-3)
        assert after.seconds == pytest.approx(before.seconds, abs=0.01)
        assert after.touches_border == before.touches_border
        assert after.color == before.color
        assert after.center == pytest.approx(before.center)
        assert after.measured["type"] == before.measured["type"]
        assert set(after.measured) == set(before.measured)
        assert not after.edited
    again.show_output(None)
    assert again.rows == []


def test_rows_of_edited_segments_say_so_and_tell_only_what_is_true(session, worker, small, output):
    session.segment(small, asked("right lung"), output)
    wait(session)
    (segment_id,) = kept_segments(output)
    array = slicer.util.arrayFromSegmentInternalBinaryLabelmap(output, segment_id)
    array[array.shape[0] // 2 :] = 0
    again = Session(worker)
    again.show_output(output)
    wait(again, lambda: again.rows)
    row = again.rows[0]
    assert row.edited
    assert 0 < row.voxels < session.rows[0].voxels
    assert row.volume_ml == pytest.approx(session.rows[0].volume_ml * row.voxels / session.rows[0].voxels)
    assert row.mean is None
    assert row.measured["voxels"] == row.voxels


def test_the_row_of_what_was_replaced_comes_back_with_undo(session, scene, small, output):
    session.segment(small, asked("right lung"), output)
    wait(session)
    (first,) = session.rows
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    roi.SetCenterWorld(*first.center)
    roi.SetSizeWorld(60, 60, 60)
    session.segment(
        settings(small.volume_node, roi_node=roi), asked("right lung"), output, {"right lung": first.segment_id}
    )
    wait(session)
    assert session.rows[0].voxels < first.voxels
    session.undo()
    wait(session, lambda: session.rows)
    assert [(row.name, row.voxels, row.edited) for row in session.rows] == [("right lung", first.voxels, False)]


def test_rows_follow_what_was_changed_elsewhere(session, small, output):
    session.segment(small, asked("right lung", "left lung", "spinal cord"), output)
    wait(session)
    before = session.rows
    session.look_again()
    wait(session, lambda: not session._outcome._unread)
    assert session.rows == before
    segmentation = output.GetSegmentation()
    first, second, third = kept_segments(output)
    array = slicer.util.arrayFromSegmentInternalBinaryLabelmap(output, first)
    label = segmentation.GetSegment(first).GetLabelValue()
    inside = np.argwhere(array == label)
    array[tuple(inside[: len(inside) // 2].T)] = 0
    segmentation.GetSegment(first).GetRepresentation("Binary labelmap").Modified()
    segmentation.GetSegment(second).SetName("mine")
    segmentation.RemoveSegment(third)
    session.look_again()
    wait(session, lambda: not session._outcome._unread)
    rows = session.rows
    assert [(row.name, row.edited) for row in rows] == [("right lung", True), ("mine", False)]
    assert rows[0].measured["voxels"] == rows[0].voxels < before[0].voxels
    assert rows[1].mean == pytest.approx(before[1].mean, abs=1e-3)
    assert session.edited == ["right lung", "left lung"]
    session.undo()
    assert session.rows == []


def test_a_volume_that_is_gone_leaves_its_results_and_undo(session, scene, small, output):
    session.segment(small, asked("right lung"), output)
    wait(session)
    session.forget_image()
    scene.RemoveNode(small.volume_node)
    assert [row.name for row in session.rows] == ["right lung"]
    assert not session.is_ready(small)
    session.undo()
    assert names_of(output) == []


def test_a_worker_that_dies_between_runs_is_noticed(small, output):
    session = Session(Worker())
    try:
        session.encode(small)
        wait(session)
        assert session.is_ready(small)
        told = []
        session._changed = lambda: told.append(session.is_ready(small))
        os.kill(session.worker.info["pid"], signal.SIGKILL)
        wait(session, lambda: told, 30)
        assert told == [False]
        assert sum(session.kept.values()) == 0
    finally:
        session.close()


def test_a_preview_that_cannot_be_read_is_asked_for_once(session, small, output):
    session.segment(small, asked("right lung"), output)
    wait(session)
    shown = []
    other = Volume(np.zeros((2, 2, 2), np.int16), np.eye(4), "ct", "other")
    session._previews.want(("other", "left lung"), session._asking(asked("left lung")), other, shown.append)
    wait(session, lambda: session._previews._request is None, 30)
    assert shown == []


def test_a_run_that_fails_in_an_unforeseen_way_ends(session, volume, output):
    """As by a memory error while the image is written."""
    session.segment(settings(volume), asked("right lung"), output)
    session._handing = (session._writing.submit(int, "no number"), session._handing[1])
    with pytest.raises(ValueError, match="no number"):
        wait(session)
    assert not session.busy
    assert "failed unexpectedly" in str(session.error)


def test_another_segmentation_shows_its_own_results_and_undoes_its_own_runs(session, scene, small, output):
    other = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "other")
    session.segment(small, asked("right lung"), output)
    wait(session)
    session.segment(small, asked("left lung"), other)
    wait(session)
    assert [row.name for row in session.rows] == ["left lung"]
    session.show_output(output)
    wait(session, lambda: session.rows)
    assert [row.name for row in session.rows] == ["right lung"]
    assert session.can_undo
    session.undo()
    assert (names_of(output), names_of(other)) == ([], ["left lung"])
    assert not session.can_undo


def test_the_handed_over_files_of_a_session_go_with_it(small, output):
    session = Session(Worker())
    session.segment(small, asked("right lung"), output)
    folder = session._folder
    assert folder.is_dir()
    assert str(os.getpid()) in folder.name
    session.cancel()
    session.close()
    assert not folder.exists()


def mask_of(output, row) -> Mask:
    """The part of a mask that its segment holds."""
    return Mask.of(voxels_of(output.GetSegmentation().GetSegment(row.segment_id)).block)


def test_masks_are_cleaned_where_that_is_asked_and_the_results_say_so(session, worker, small, output):
    session.segment(small, asked("rib"), output)
    wait(session)
    (plain,) = session.rows
    assert plain.measured["components"] > 1  # or there would be nothing to clean
    assert plain.measured["cleaned"] is None
    session.segment(small, asked("rib", "right lung"), output, cleaning=Cleaning(largest=True, holes=True))
    wait(session)
    assert session.error is None
    assert names_of(output) == ["rib", "rib", "right lung"]
    expected, said = clean(mask_of(output, plain), True, True)
    row = session.rows[1]
    assert (row.voxels, row.measured["components"], row.measured["cleaned"]) == (expected.voxels, 1, said)
    np.testing.assert_array_equal(mask_of(output, row).block, expected.block)
    again = Session(worker)
    again.show_output(output)
    wait(again, lambda: len(again.rows) == 3)
    assert [one.measured["cleaned"] for one in again.rows] == [one.measured["cleaned"] for one in session.rows]
    session.undo()
    assert [one.segment_id for one in session.rows] == [plain.segment_id]


def test_a_run_whose_masks_are_being_cleaned_can_be_cancelled(session, small, output):
    session.encode(small)
    wait(session)
    held = threading.Event()
    session._outcome._measuring.submit(held.wait)  # the thread has its hands full
    session.segment(small, asked("right lung", "left lung"), output, cleaning=Cleaning(largest=True))
    wait(session, lambda: session._request is None)
    assert session.busy
    assert names_of(output) == []
    session.cancel()
    held.set()
    wait(session)
    assert (names_of(output), session.rows, session.can_undo, session.error) == ([], [], False, None)
