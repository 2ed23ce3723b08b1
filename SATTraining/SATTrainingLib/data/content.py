"""What files hold, told by a hash that is computed once a file."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

_WHOLE = (".nii", ".nii.gz", ".nrrd", ".mha")  # one file each
_HEADERS = (".nhdr", ".mhd")  # the voxels are in another file, which they name
_DATA_FILE = re.compile(rb"^(?:data ?file|ElementDataFile)\s*[:=]\s*(\S[^\r\n]*?)\s*$", re.IGNORECASE | re.MULTILINE)
_SETTLED = 3.0  # seconds; a file changed later than that may change again without its time telling it
_CHUNK = 1 << 22


class ContentHashes:
    """Hashes of files, remembered by path, size and time of change.

    Args:
        path: Where they are remembered, one JSON object a line; several processes may add to it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, tuple[list, str]] = {}
        for line in path.read_bytes().splitlines() if path.is_file() else ():
            try:
                row = json.loads(line)
                self._known[row["path"]] = (row["stamp"], row["hash"])
            except (ValueError, KeyError, TypeError):  # a process was killed while it wrote, or two wrote at once
                continue

    def of(self, path: Path) -> str:
        """Of all that a scan or mask at `path` is made of: its file, the data file its header names, a DICOM folder.

        Raises:
            OSError: A file cannot be read.
        """
        digest = blake2b(digest_size=16)
        for file in files_of(path):
            digest.update(self._of_file(file).encode())
        return digest.hexdigest()

    def _of_file(self, path: Path) -> str:
        path = path.resolve()
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        known = self._known.get(str(path))
        if known and known[0] == stamp:
            return known[1]
        digest = blake2b(digest_size=16)
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        if time.time() - status.st_mtime > _SETTLED:
            self._known[str(path)] = (stamp, digest.hexdigest())
            row = json.dumps({"path": str(path), "stamp": stamp, "hash": digest.hexdigest()})
            with suppress(OSError), self._path.open("ab") as file:  # not remembered, it is computed again
                file.write(b"\n" + row.encode() + b"\n")  # the line before may not be whole
        return digest.hexdigest()


def files_of(path: Path) -> list[Path]:
    """The files that a scan or mask is made of: itself, the data file its header names, a DICOM folder's, or all that
    lie beside a file of which nothing else is known.

    Raises:
        OSError: It cannot be read.
    """
    name = path.name.lower()
    if path.is_file() and name.endswith(_WHOLE):
        return [path]
    if path.is_file() and name.endswith(_HEADERS):
        with path.open("rb") as file:
            named = _DATA_FILE.search(file.read(1 << 16))
        data = path.parent / named[1].decode(errors="replace") if named else path
        if data.is_file():
            return [path, data]
    folder = path if path.is_dir() else path.parent
    return sorted(file for file in folder.iterdir() if file.is_file())
