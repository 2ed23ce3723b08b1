"""Frames: what is written is read, and nothing else is taken for one."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from Testing.Python.worker.conftest import SOURCES

from SATSegmentLib.worker import protocol
from SATSegmentLib.worker.protocol import ProtocolError, TruncatedError, frame, read_message, write_frame


def _frame(message, binary=None):
    stream = io.BytesIO()
    write_frame(stream, frame(message, binary))
    return stream.getvalue()


@pytest.mark.parametrize(
    "binary",
    [
        None,
        b"",
        b"\r\n\r\nContent-Length: 3",
        np.arange(24, dtype=np.int16).reshape(2, 3, 4),
        np.zeros((0, 0, 0), bool),
    ],
)
def test_what_is_written_is_read(binary):
    message = protocol.request("predict", {"prompts": ["rechte Niere", "肝臓"], "path": "scan\udce9.npy"}, 7)
    stream = io.BytesIO(_frame(message, binary) + _frame({"id": 1}))
    told, data = read_message(stream)
    assert told == message
    assert data == (None if binary is None else bytes(memoryview(binary).tobytes()))
    assert read_message(stream) == ({"id": 1}, None)
    assert read_message(stream) is None


def test_a_frame_is_as_the_protocol_says():
    header, _, rest = _frame({"a": "é"}, b"xyz").partition(b"\r\n\r\n")
    assert header.split(b"\r\n") == [b"Content-Length: 14", b"Binary-Length: 3"]
    assert rest == b'{"a":"\\u00e9"}' + b"xyz"


def test_a_stream_that_ends_inside_a_frame_is_told_from_one_that_ends_after_it():
    whole = _frame({"id": 1, "method": "models"}, b"1234")
    for length in range(1, len(whole)):
        with pytest.raises(TruncatedError):
            read_message(io.BytesIO(whole[:length]))


@pytest.mark.parametrize(
    "data",
    [
        b"Welcome to host\n",
        b"Traceback (most recent call last):\n",
        b"Hello",
        b"\r\n\r\n",
        b"Binary-Length: 3\r\n\r\nabc",
        b"Content-Length: 99999999999\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 3\r\nContent-Type: text\r\n\r\n{}\n",
        b"Content-Length: 3\r\n\r\n{a}",
        b"Content-Length: 2\r\n\r\n[]",
        b"x" * 10_000,
    ],
)
def test_what_is_no_frame_is_refused_and_shown(data):
    with pytest.raises(ProtocolError) as caught:
        read_message(io.BytesIO(data))
    assert not isinstance(caught.value, TruncatedError)
    assert len(str(caught.value)) < 150


def test_a_version_that_differs_names_the_side_to_update():
    assert "Update SlicerSAT here" in protocol.mismatch(client=1, worker=2)
    assert "Update SlicerSAT where the segmentation process runs" in protocol.mismatch(client=2, worker=1)
    assert "Update SlicerSAT where the segmentation process runs" in protocol.mismatch(client=1, worker=None)


def test_the_client_loads_nothing_heavy():
    code = (
        "import sys, SATSegmentLib.worker.client, SATSegmentLib.worker.protocol, SATSegmentLib.worker.arrays\n"
        "print({name.partition('.')[0] for name in sys.modules} & {'torch', 'transformers', 'nibabel', 'psutil'})"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=SOURCES, check=True)
    assert result.stdout.strip() == "set()"
