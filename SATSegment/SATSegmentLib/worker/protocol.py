"""What client and worker say to each other: JSON-RPC 2.0 messages in frames, and what their errors mean.

A frame is header lines ending in CRLF, an empty line, and the JSON in UTF-8:

    Content-Length: 123
    Binary-Length: 4096       (only where that many raw bytes follow the JSON)
"""

from __future__ import annotations

import json
import re
from typing import Any, BinaryIO

from ..errors import SATError

PROTOCOL = 1

PARSE_ERROR, INVALID_REQUEST, UNKNOWN_METHOD, BAD_PARAMETERS, INTERNAL = -32700, -32600, -32601, -32602, -32603
BAD_INPUT, BAD_MODEL, OUT_OF_MEMORY, NOT_INSTALLED, IMAGE_GONE, CANCELLED = (
    -32001,
    -32002,
    -32003,
    -32004,
    -32005,
    -32800,
)

_LONGEST_LINE = 200
_LARGEST = {b"content-length": 1 << 28, b"binary-length": 1 << 36}  # bytes; more is a damaged header
_BEGINNING = b"content-length:"
_HEADER = re.compile(rb"(content-length|binary-length): *(\d{1,12})", re.IGNORECASE)
_SHOWN = 80  # characters of what came instead of a frame


class ProtocolError(SATError):
    """What came is no frame; nothing that follows it can be understood."""


class TruncatedError(ProtocolError):
    """The stream ended inside a frame."""

    def __init__(self) -> None:
        super().__init__("The stream ended in the middle of a message.")


def request(method: str, params: dict, identity: int | None = None) -> dict:
    """A request, or a notification where it has no identity."""
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    return message if identity is None else {**message, "id": identity}


def response(identity: Any, result: dict | list) -> dict:
    """The answer to a request."""
    return {"jsonrpc": "2.0", "id": identity, "result": result}


def error_response(identity: Any, code: int, message: str, data: str | None = None) -> dict:
    """The answer to a request that failed; `data` are details for a report."""
    return {"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": message, "data": data}}


def mismatch(client: Any, worker: Any) -> str:
    """What to do where the two sides are of different protocols."""
    here = not isinstance(client, int) or (isinstance(worker, int) and client < worker)
    return (
        f"SlicerSAT here speaks protocol {client} and the segmentation process protocol {worker}, so they do not "
        f"understand each other. Update SlicerSAT {'here' if here else 'where the segmentation process runs'}."
    )


def frame(message: dict, binary=None) -> tuple[bytes, memoryview | bytes]:
    """One frame, in two parts that follow each other.

    Args:
        message: Plain values for JSON.
        binary: Bytes, or anything contiguous that gives them, to follow the JSON; it is not copied.

    Raises:
        TypeError: The message is no JSON, or the binary is not contiguous.
    """
    # ASCII: names of files that are no valid Unicode come through as well
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    header = f"Content-Length: {len(body)}\r\n"
    rest: memoryview | bytes = b""
    if binary is not None:
        if memoryview(binary).nbytes:
            rest = memoryview(binary).cast("B")
        header += f"Binary-Length: {len(rest)}\r\n"
    return header.encode("ascii") + b"\r\n" + body, rest


def write_frame(stream: BinaryIO, parts: tuple[bytes, memoryview | bytes]) -> None:
    """Writes what `frame` made.

    Args:
        stream: Buffered; flushed.
        parts: Of the frame.

    Raises:
        OSError: The other side is gone.
    """
    for part in parts:
        stream.write(part)
    stream.flush()


def read_message(stream: BinaryIO) -> tuple[dict, bytearray | None] | None:
    """Reads one frame.

    Args:
        stream: Buffered.

    Returns:
        (message, binary or None), or None where the stream ended before a frame.

    Raises:
        ProtocolError: What comes is no frame; a `TruncatedError` where it ends too early.
    """
    lengths = _read_header(stream)
    if lengths is None:
        return None
    body = _read_exactly(stream, lengths[b"content-length"])
    binary = _read_exactly(stream, lengths[b"binary-length"]) if b"binary-length" in lengths else None
    try:
        message = json.loads(body)
    except ValueError as error:
        raise ProtocolError(f'A message is damaged: "{_shown(body)}".') from error
    if not isinstance(message, dict):
        raise ProtocolError(f'A message is no JSON object: "{_shown(body)}".')
    return message, binary


def _read_header(stream: BinaryIO) -> dict[bytes, int] | None:
    lengths: dict[bytes, int] = {}
    while True:
        line = stream.readline(_LONGEST_LINE)
        if not line and not lengths:
            return None
        if not line.endswith(b"\n"):
            if len(line) < _LONGEST_LINE and (lengths or _BEGINNING.startswith(line[: len(_BEGINNING)].lower())):
                raise TruncatedError
            raise ProtocolError(f'"{_shown(line)}" came instead of a message.')
        line = line.strip()
        if not line and b"content-length" in lengths:
            return lengths
        match = _HEADER.fullmatch(line)
        if match is None or int(match[2]) > _LARGEST[match[1].lower()]:
            raise ProtocolError(f'"{_shown(line)}" came instead of a message.')
        lengths[match[1].lower()] = int(match[2])


def _read_exactly(stream: BinaryIO, count: int) -> bytearray:
    data = bytearray(count)
    view, done = memoryview(data), 0
    while done < count:
        read = stream.readinto(view[done:])
        if not read:
            raise TruncatedError
        done += read
    return data


def _shown(data: bytes) -> str:
    text = " ".join(bytes(data[: 2 * _SHOWN]).decode("utf-8", "replace").split())
    return text[:_SHOWN] + ("…" if len(text) > _SHOWN else "")
