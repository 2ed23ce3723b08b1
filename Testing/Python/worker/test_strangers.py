"""Programs that are no worker, workers that are cut off, and clients that are none."""

from __future__ import annotations

import subprocess
import sys

import pytest
from Testing.Python.worker.conftest import PATIENCE, SOURCES, environment

from SATSegmentLib.worker import client as module
from SATSegmentLib.worker import protocol
from SATSegmentLib.worker.client import WorkerError
from SATSegmentLib.worker.protocol import read_message, write_frame


def _error(worker):
    request = worker.request("models")
    with pytest.raises(WorkerError) as caught:
        worker.wait(request, PATIENCE)
    assert worker.state == "failed"
    return caught.value


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("print('Welcome to host', flush=True); import time; time.sleep(600)", '"Welcome to host"'),
        ("print('Hello')", '"Hello"'),
        ("import sys; sys.stdout.buffer.write(bytes(range(256)) * 100)", "came instead of a message"),
        ("import sys; sys.stdout.write('Content-Length: 5\\r\\n\\r\\nhello')", '"hello"'),
        ("import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer, 1)", '"initialize"'),
    ],
)
def test_a_program_that_is_no_worker_is_refused_with_what_it_said(python, code, shown):
    error = _error(python(code))
    assert error.kind == "protocol"
    assert shown in str(error)
    assert "not SlicerSAT's segmentation process" in str(error)
    assert "Check its command" in str(error)


_GREETS = """
import json, os, sys
def frame(message, binary=b""):
    body = json.dumps(message).encode()
    return f"Content-Length: {len(body)}\\r\\nBinary-Length: {len(binary)}\\r\\n\\r\\n".encode() + body + binary
def write(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
def read():
    length = int(sys.stdin.buffer.readline().split()[1])
    sys.stdin.buffer.readline()
    return json.loads(sys.stdin.buffer.read(length))
read()
write(frame({"id": 0, "result": {"protocol": 1}}))
asked = read()
"""


@pytest.mark.parametrize("kept", [3, 20, 60, -3])
def test_half_a_message_and_then_the_end(python, kept):
    answer = 'frame({"id": asked["id"], "result": []}, b"1234567")'
    error = _error(python(f"{_GREETS}\nprint('last words', file=sys.stderr)\nwrite({answer}[:{kept}])\nsys.exit(7)"))
    assert error.kind == "died"
    assert "(exit code 7)" in str(error)
    assert error.details == "last words"


def test_garbage_in_the_middle(python):
    worker = python(f'{_GREETS}\nwrite(frame({{"id": asked["id"], "result": []}}) + b"Segmentation fault\\n")')
    assert worker.wait(worker.request("models"), PATIENCE) == []  # what came before it counts
    error = _error(python(f'{_GREETS}\nwrite(b"Segmentation fault\\n")'))
    assert error.kind == "protocol"
    assert "Segmentation fault" in str(error)


def test_output_that_is_closed_by_a_process_that_goes_on(python):
    error = _error(python(f"{_GREETS}\nos.close(1)\nimport time\ntime.sleep(600)"))
    assert error.kind == "died"
    assert "it closed its output" in str(error)


def test_a_process_that_ends_and_leaves_its_output_to_a_child(python):
    child = "import subprocess; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(20)'])"
    error = _error(python(f"{_GREETS}\n{child}\nos._exit(3)"))
    assert error.kind == "died"
    assert "(exit code 3)" in str(error)


def test_a_program_that_is_not_there(start):
    worker = start("no-such-program", "-m", "SATSegmentLib.worker")
    error = _error(worker)
    assert error.kind == "died"
    assert '"no-such-program" does not run' in str(error)
    worker.start()
    assert worker.state == "failed"
    assert "Check its command" in str(worker.error)


def test_a_python_without_the_library_says_so(start):
    worker = start(sys.executable, "-m", "SATSegmentLib.worker", variables={"PYTHONPATH": "/nowhere"})
    # an installed library would be found all the same
    worker._command = [sys.executable, "-I", "-S", "-m", "SATSegmentLib.worker"]
    error = _error(worker)
    assert error.kind == "died"
    assert "did not start (exit code 1: " in str(error)
    assert "No module named" in str(error)
    assert "Setup" in str(error)


def test_a_shells_code_for_a_killed_program_is_understood(python):
    assert "(SIGKILL, which often means that memory ran out)" in str(_error(python(f"{_GREETS}\nsys.exit(137)")))


def test_a_worker_can_be_started_again_after_stop(python):
    worker = python(f'{_GREETS}\nwrite(frame({{"id": asked["id"], "result": [os.getpid()]}}))\nsys.stdin.read()')
    worker.stop()  # before it was started
    first = worker.wait(worker.request("models"), PATIENCE)
    assert worker.state == "ready"
    worker.stop()
    assert worker.state == "stopped"
    assert worker.wait(worker.request("models"), PATIENCE) != first


def test_a_program_that_says_nothing_is_given_up(python, monkeypatch):
    monkeypatch.setattr(module, "START_SECONDS", 0.5)
    error = _error(python("import time; time.sleep(600)"))
    assert error.kind == "protocol"
    assert "said nothing within" in str(error)


@pytest.fixture
def raw(tmp_path):
    """A worker without a client: sends messages, then gives the answers by their request's number."""

    def ask(*messages: dict) -> tuple[dict, int]:
        process = subprocess.Popen(
            [sys.executable, "-m", "SATSegmentLib.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(tmp_path),
        )
        for message in messages:
            write_frame(process.stdin, protocol.frame(message))
        with process.stdout, process.stdin:
            answers = {answer["id"]: answer for answer, _ in iter(lambda: read_message(process.stdout), None)}
        return answers, process.wait(PATIENCE)

    return ask


def test_a_client_of_another_version_and_one_that_breaks_the_protocol_are_refused(raw):
    answers, code = raw(
        protocol.request("models", {}, 1),
        protocol.request("initialize", {"protocol": 99, "client": "of the future"}, 2),
        protocol.request("initialize", {}, 3),
        {"jsonrpc": "2.0", "id": 4},
        {"jsonrpc": "2.0", "id": 5, "method": "models", "params": [1, 2]},
        protocol.request("$/nothing", {}),
        protocol.request("shutdown", {}, 6),
    )
    assert code == 0
    assert "initialize comes before models" in answers[1]["error"]["message"]
    assert "Update SlicerSAT where the segmentation process runs" in answers[2]["error"]["message"]
    assert "Update SlicerSAT here" in answers[3]["error"]["message"]
    assert [answers[i]["error"]["code"] for i in (1, 2, 3, 4, 5)] == [-32600, -32600, -32600, -32600, -32602]
    assert answers[6]["result"] == {}


def test_a_client_that_sends_garbage_ends_the_worker():
    result = subprocess.run(
        [sys.executable, "-m", "SATSegmentLib.worker"],
        input=b"GET / HTTP/1.1\r\n\r\n",
        capture_output=True,
        cwd=SOURCES,
        timeout=PATIENCE,
        check=True,
    )
    assert result.stdout == b""
    assert b'"GET / HTTP/1.1" came instead of a message' in result.stderr
