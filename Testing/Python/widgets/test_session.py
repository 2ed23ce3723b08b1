"""The panel's session on a real scene with the real worker and the built-in model."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import slicer
import slicerio

from SATSegmentLib.anatomy import coded_entry
from SATSegmentLib.errors import InputError
from SATSegmentLib.widgets.session import IDLE, Asked, ImageSettings, Session
from SATSegmentLib.worker.client import Worker

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


def settings(volume, **keywords):
    return ImageSettings(volume, "ct", "sat-tiny", **keywords)


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
