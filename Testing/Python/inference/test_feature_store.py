"""Features on disk, and what becomes of them when their process is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from SATSegmentLib.inference import FeatureStore

SOURCES = Path(__file__).resolve().parents[3] / "SATSegment"
KEEPS = """
import time, torch
from SATSegmentLib.inference import FeatureStore
from SATSegmentLib.inference.feature_store import WindowFeatures
store = FeatureStore(ram=0)
store.put("scan", 0, WindowFeatures(torch.ones(2, 3, 4, 5, dtype=torch.float16), torch.ones(1, 2)))
print("kept", flush=True)
time.sleep(600)
"""


def test_what_a_killed_process_has_left_is_removed_and_a_living_ones_features_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(tmp_path)), "PYTHONPATH": str(SOURCES)}
    start = partial(subprocess.Popen, [sys.executable, "-c", KEEPS], env=environment, stdout=subprocess.PIPE)

    def kept():
        return len(list(tmp_path.glob("*/scan/0.npy")))

    with start() as killed, start() as living:
        try:
            assert [process.stdout.readline().strip() for process in (killed, living)] == [b"kept", b"kept"]
            killed.kill()
            killed.wait()
            assert kept() == 2
            own = FeatureStore()
            assert kept() == 1
            FeatureStore().close()
            own.close()
            assert kept() == 1
            assert len(list(tmp_path.iterdir())) == 2  # the living one's folder, and the lock beside it
        finally:
            killed.kill()
            living.kill()
    own = FeatureStore()
    del own  # without closing it
    assert not list(tmp_path.iterdir())
