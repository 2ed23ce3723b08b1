"""Scans an hour of `satsegment batch` against `satsegment segment` in a loop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_SCANS = 8
_TERMS = ("right lung", "left lung", "spinal cord", "liver")
_SOURCES = Path(__file__).resolve().parents[2] / "SATSegment"


def _satsegment(*arguments: object) -> tuple[str, float]:
    """What it prints, and its seconds."""
    environment = {**os.environ, "PYTHONPATH": str(_SOURCES), "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "SATSegmentLib", *map(str, arguments)]
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=True)
    return done.stdout, time.perf_counter() - start


def batch() -> None:
    """Both write the same files of eight scans: a real chest CT, brighter by 1 to 8 Hounsfield units."""
    import SimpleITK as sitk
    import slicerio

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = sitk.ReadImage(str(Path(slicerio.__file__).parent / "data" / "CTChest4.nrrd"))
        scans = [folder / "in" / f"{number}.nrrd" for number in range(_SCANS)]
        scans[0].parent.mkdir()
        for number, scan in enumerate(scans, start=1):
            sitk.WriteImage(whole + number, str(scan))
        told, together = _satsegment(
            "batch", "--cases", folder / "in", "--output", folder / "out", "--terms", *_TERMS, "--json"
        )
        *_, end = map(json.loads, told.splitlines())
        alone = 0.0
        for scan in scans:
            targets = [folder / f"{scan.stem}{suffix}" for suffix in (".seg.nrrd", ".csv", ".png")]
            outputs = zip(("--output", "--table", "--overview"), targets, strict=True)
            options = [part for output in outputs for part in output]
            alone += _satsegment("segment", scan, "--terms", *_TERMS, *options)[1]
    print(
        f"{_SCANS} scans: batch {3600 * _SCANS / together:.0f} an hour, one by one {3600 * _SCANS / alone:.0f}: "
        f"{alone / together:.2f} times as many; the network was at work {end['network']:.0%} of the batch's time"
    )
