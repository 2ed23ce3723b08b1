"""Everything that goes wrong in a worker: it is said in words, nothing hangs, and the next request works."""

from __future__ import annotations

import os
import signal
import sys

import psutil
import pytest
from Testing.Python.worker.conftest import PATIENCE, Obedient, predict, ready, segment, set_image, wait_until

from SATSegmentLib.worker.client import CANCEL_SECONDS, WorkerError


def _error(worker, request):
    with pytest.raises(WorkerError) as caught:
        worker.wait(request, PATIENCE)
    return caught.value


def _gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_cancel_in_the_middle_of_a_window_stops_at_the_next(obedient, volume, tmp_path):
    worker, told = obedient.worker, []
    request = obedient.held(volume, tmp_path, on_progress=lambda *progress: told.append(progress))
    pid = worker.info["pid"]
    behind = worker.request("models")
    worker.cancel(request)
    worker.cancel(request)  # a second click
    told.clear()
    obedient.order("work")
    error = _error(worker, request)
    assert (error.kind, str(error)) == ("cancelled", "Cancelled.")
    assert not told  # nothing more of it after a cancel
    assert worker.wait(behind, PATIENCE)
    assert worker.info["pid"] == pid
    assert psutil.pid_exists(pid)
    assert segment(worker, volume, tmp_path, ["liver"])[0].voxels


def test_a_request_that_waits_is_cancelled_at_once(obedient, volume, tmp_path):
    worker = obedient.worker
    running = obedient.held(volume, tmp_path)
    pid = worker.info["pid"]
    waiting = worker.request("models")
    worker.cancel(waiting)
    assert _error(worker, waiting).kind == "cancelled"  # while the window is still held
    assert psutil.pid_exists(pid)
    assert worker.state == "busy"
    obedient.order("work")
    worker.cancel(running)
    assert _error(worker, running).kind == "cancelled"
    assert worker.info["pid"] == pid


def test_a_cancel_that_may_not_kill_waits_for_the_window(obedient, volume, tmp_path):
    worker = obedient.worker
    request = obedient.held(volume, tmp_path)
    pid = worker.info["pid"]
    worker.cancel(request, kill=False)
    with pytest.raises(TimeoutError):
        worker.wait(request, CANCEL_SECONDS + 0.5)
    assert psutil.pid_exists(pid)
    obedient.order("work")
    assert _error(worker, request).kind == "cancelled"
    assert worker.info["pid"] == pid


def test_a_cancel_that_is_not_answered_kills_the_worker_and_its_children(volume, tmp_path):
    obedient = Obedient(tmp_path, tmp_path / "home", "obey_with_child")
    worker = obedient.worker
    try:
        request = obedient.held(volume, tmp_path)
        pid, child = worker.info["pid"], int((tmp_path / "child").read_text())
        files = worker._connection.folder
        assert psutil.pid_exists(child)
        assert files.is_dir()
        behind = worker.request("models")
        worker.cancel(request)
        for _ in range(50):
            worker.poll()
        assert psutil.pid_exists(pid)  # it has two seconds
        assert _error(worker, request).kind == "cancelled"
        wait_until(lambda: _gone(pid) and _gone(child) and not files.exists(), worker)
        obedient.order("work")
        assert worker.wait(behind, PATIENCE)  # asked of a new process
        assert worker.info["pid"] != pid
        assert worker.state == "ready"
    finally:
        worker.stop()
        psutil.Process(int((tmp_path / "child").read_text())).kill()  # one that stops by itself leaves it


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_worker_killed_while_encoding_is_reported_and_restarted(obedient, volume, tmp_path):
    worker = obedient.worker
    request = obedient.held(volume, tmp_path)
    behind = worker.request("models")
    pid = worker.info["pid"]
    os.kill(pid, signal.SIGKILL)
    error = _error(worker, request)
    assert error.kind == "died"
    assert str(error) == (
        "The segmentation process stopped unexpectedly (SIGKILL, which often means that memory ran out). It starts "
        "again on the next run."
    )
    assert _error(worker, behind).kind == "died"
    assert worker.state == "failed"
    assert worker.error is error
    obedient.order("work")
    assert segment(worker, volume, tmp_path, ["liver"])[0].voxels
    assert worker.state == "ready"
    assert worker.error is None
    assert worker.info["pid"] != pid


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_worker_that_dies_while_idle_is_noticed(obedient, volume, tmp_path):
    worker = obedient.worker
    pid = ready(worker)
    key = worker.wait(set_image(worker, volume, tmp_path), PATIENCE)["key"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: worker.state == "failed", worker)
    assert worker.error.kind == "died"
    error = _error(worker, worker.request("predict", {"key": key, "prompts": ["liver"]}))
    assert error.kind == "gone"  # a new process does not know the scan
    assert worker.wait(set_image(worker, volume, tmp_path), PATIENCE)["key"] == key
    assert predict(worker, key, volume, tmp_path, ["liver"])[0].voxels


def test_running_out_of_memory_is_said_and_survived(obedient, volume, tmp_path):
    worker = obedient.worker
    pid = ready(worker)
    obedient.order("memory")
    error = _error(worker, set_image(worker, volume, tmp_path, roi=None))
    obedient.order("work")
    assert error.kind == "memory"
    assert "Not even one window of 64 x 64 x 48 voxels fits" in str(error)
    assert segment(worker, volume, tmp_path, ["liver"])[0].voxels
    assert worker.info["pid"] == pid


def test_an_unexpected_error_brings_its_traceback(obedient, volume, tmp_path):
    worker = obedient.worker
    obedient.order("defect")
    error = _error(worker, set_image(worker, volume, tmp_path, roi=None))
    obedient.order("work")
    assert error.kind == "internal"
    assert str(error) == "Segmentation failed unexpectedly (ZeroDivisionError: division by zero). Run again."
    assert "launcher.py" in error.details
    wait_until(lambda: "Traceback" in "\n".join(worker.log), worker)  # what is printed comes on a way of its own
    assert worker.state == "ready"


def test_a_crash_of_native_code_leaves_its_place_in_the_log(obedient, volume, tmp_path):
    worker = obedient.worker
    obedient.order("crash")
    error = _error(worker, set_image(worker, volume, tmp_path, roi=None))
    obedient.order("work")
    assert error.kind == "died"
    assert "encode_image" in error.details


def test_cancelling_before_the_worker_is_ready(start, volume, tmp_path):
    worker = start(sys.executable, "-m", "SATSegmentLib.worker")
    request = set_image(worker, volume, tmp_path)
    other = worker.request("models")
    assert worker.state == "starting"
    worker.cancel(request)
    assert _error(worker, request).kind == "cancelled"
    assert worker.wait(other, PATIENCE)
    worker.cancel(request)  # long answered
    worker.cancel(12345)
    assert worker.state == "ready"


@pytest.mark.parametrize("package", ["torch", "psutil"])
def test_a_missing_package_is_named_with_what_to_do(faulty, package):
    worker = faulty("lacks", package)
    error = _error(worker, worker.request("models"))
    assert error.kind == "setup"
    assert f'"{package}" is missing' in str(error)
    assert f'"{sys.executable}" -m pip install {package}' in str(error)
    assert "Setup" in str(error)
    assert "Traceback" in error.details
    assert worker.state == "failed"
    assert worker.error is error


def test_a_package_that_is_missed_late_is_named_too(faulty, volume, tmp_path):
    worker = faulty("lacks", "nibabel")
    error = _error(worker, set_image(worker, volume, tmp_path))
    assert error.kind == "setup"
    assert '"nibabel" is missing' in str(error)
    assert worker.state == "ready"


def test_a_package_that_cannot_be_loaded_is_named(start, tmp_path):
    (tmp_path / "stub" / "torch").mkdir(parents=True)
    (tmp_path / "stub" / "torch" / "__init__.py").write_text(
        "raise ImportError('libc10.so: cannot open shared object file', name='torch')\n"
    )
    code = "import sys; sys.path.insert(0, sys.argv[1]); from SATSegmentLib.worker.__main__ import main; main()"
    worker = start(sys.executable, "-c", code, tmp_path / "stub")
    error = _error(worker, worker.request("models"))
    assert error.kind == "setup"
    assert '"torch" cannot be loaded' in str(error)
    assert "libc10.so" in str(error)


@pytest.mark.parametrize("fault", ["speaks", "accepts_all"])
@pytest.mark.parametrize(("number", "where"), [(2, "here"), (0, "where the segmentation process runs")])
def test_another_version_of_the_protocol_is_refused_by_both_sides(faulty, fault, number, where):
    worker = faulty(fault, number)
    error = _error(worker, worker.request("models"))
    assert error.kind == "protocol"
    assert f"speaks protocol 1 and the segmentation process protocol {number}" in str(error)
    assert str(error).endswith(f"Update SlicerSAT {where}.")
    assert worker.state == "failed"
