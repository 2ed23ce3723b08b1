"""DICOM SEG written by a process of its own, as it takes seconds in which a window would stand still."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np

from ..errors import InputError, SATError
from ..imaging.volume import Volume
from .dicom_seg import Origin, source_slices, write_dicom_seg
from .segment import Segment


class DicomSegJob:
    """Writes a DICOM SEG while the caller goes on.

    Args:
        path: The file to write.
        volume, segments, made_by, origins: As of `write_dicom_seg`; a series taken with a tilted gantry is refused.

    Raises:
        OSError: The process cannot be started.
    """

    def __init__(
        self,
        path: Path,
        volume: Volume,
        segments: list[Segment],
        made_by: dict[str, str],
        origins: list[Origin],
    ) -> None:
        library = str(Path(__file__).resolve().parents[2])
        paths = os.pathsep.join(filter(None, (library, os.environ.get("PYTHONPATH", ""))))
        self.path = Path(path)
        image = volume.shape, volume.affine, volume.name, volume.source
        work = self.path, image, segments, made_by, origins
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - `end` closes it
        with tempfile.TemporaryFile() as file:
            pickle.dump(work, file)
            file.seek(0)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "SATSegmentLib.output.dicom_job"],
                stdin=file,
                stdout=subprocess.PIPE,  # a sentence for the user at most, which no pipe is too short for
                stderr=self._log,
                env={**os.environ, "PYTHONPATH": paths, "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"},
                creationflags=subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0,
            )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """Once it no longer runs: returns when the file is there.

        Raises:
            SATError: It is not; `details` are what libraries told meanwhile.
        """
        sentence, _ = self._process.communicate()
        with self._log:
            self._log.seek(0)
            log = self._log.read()
        if code := self._process.returncode:
            said = sentence.decode() or f"The DICOM SEG could not be written (code {code}); write .seg.nrrd instead."
            error = SATError(said)
            error.details = log.decode(errors="replace").strip()
            raise error


def _work() -> None:
    from ..imaging.dicom_geometry import stack

    path, (shape, affine, name, source), segments, made_by, origins = pickle.load(sys.stdin.buffer)
    volume = Volume(np.broadcast_to(np.int16(0), shape), affine, "ct", name, source)
    if stack(source_slices(volume), name).sheared:
        raise InputError(
            f"{name} was taken with a tilted gantry, so its slices are not where its voxels are; segment its DICOM "
            "folder with the command satsegment, which writes DICOM SEG of it."
        )
    write_dicom_seg(path, volume, segments, made_by, origins)


if __name__ == "__main__":
    try:
        with redirect_stdout(sys.stderr):  # libraries print
            _work()
    except SATError as problem:
        sys.stdout.write(str(problem))
        sys.exit(1)
