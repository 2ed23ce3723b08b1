"""Real worker processes on the built-in model and a real chest CT."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
import slicerio

from SATSegmentLib.imaging import Volume
from SATSegmentLib.worker.arrays import image_message, mask_of_result
from SATSegmentLib.worker.client import Worker

SOURCES = Path(__file__).resolve().parents[3] / "SATSegment"
LAUNCHER = Path(__file__).with_name("launcher.py")
PATIENCE = 120  # seconds, on the slowest machine
TERMS = ["right lung", "left lung", "liver"]
ONE_WINDOW = [-60, -100, -300, 100, 100, -200]  # RAS mm: a part of the chest CT that one window holds


def environment(home: Path) -> dict[str, str]:
    """In which a process finds the library, and models and caches of its own."""
    return {**os.environ, "PYTHONPATH": str(SOURCES), "SATSEGMENT_HOME": str(home)}


def wait_until(happens, *workers, seconds: float = PATIENCE) -> None:
    """Polls until `happens()`."""
    until = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < until, "waited in vain"
        for worker in workers:
            worker.poll()
        time.sleep(0.005)


def ready(worker: Worker) -> int:
    """The number of the worker's process, once it is ready."""
    worker.start()
    wait_until(lambda: worker.state != "starting", worker)
    assert worker.state == "ready", worker.error and worker.error.details
    return worker.info["pid"]


def set_image(worker: Worker, volume: Volume, folder: Path | None, roi=ONE_WINDOW, **hooks) -> int:
    """Asks for a volume with the built-in model; through the stream where `folder` is None."""
    image, binary = image_message(volume, None if folder is None else folder / "volume.npy")
    return worker.request("setImage", {"image": image, "model": "sat-tiny", "roi": roi}, binary, **hooks)


def segment(worker: Worker, volume: Volume, folder: Path | None, terms=TERMS, roi=ONE_WINDOW) -> list:
    """The masks of terms, from a volume that is set first."""
    told = worker.wait(set_image(worker, volume, folder, roi), PATIENCE)
    return predict(worker, told["key"], volume, folder, terms)


def predict(worker: Worker, key: str, volume: Volume, folder: Path | None, terms=TERMS) -> list:
    """The masks of terms on a volume that was set."""
    masks = []
    params = {"key": key, "prompts": terms, "folder": folder and str(folder)}
    request = worker.request(
        "predict", params, on_result=lambda result, binary: masks.append(mask_of_result(result, binary, volume.shape))
    )
    assert worker.wait(request, PATIENCE)["count"] == len(terms)
    return masks


@pytest.fixture(scope="session")
def volume() -> Volume:
    return Volume.read(Path(slicerio.__file__).parent / "data" / "CTChest4.nrrd")


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    """A worker as Slicer starts it, for all tests of a file."""
    worker = Worker(environment=environment(tmp_path_factory.mktemp("home")))
    yield worker
    worker.stop()


@pytest.fixture
def start(tmp_path):
    """Makes workers of other commands, and ends them."""
    made = []

    def start(*command, variables=None, **options) -> Worker:
        around = {**environment(tmp_path / "home"), **(variables or {})}
        made.append(Worker([str(part) for part in command], around, **options))
        return made[-1]

    yield start
    for worker in made:
        worker.stop()


@pytest.fixture
def python(start):
    """Makes workers of a Python program given as text."""
    return lambda code, **options: start(sys.executable, "-c", code, **options)


class Obedient:
    """A worker whose windows do what they are told; see `launcher.py`.

    Args:
        folder: Where the orders are.
        home: Of models and caches.
        fault: Of the launcher.
    """

    def __init__(self, folder: Path, home: Path, fault: str = "obey") -> None:
        self.folder = folder
        self.order("work")
        self.worker = Worker([sys.executable, str(LAUNCHER), fault, str(folder)], environment(home))

    def order(self, what: str) -> None:
        """Gives an order to all windows that begin from now on, and to one that is held."""
        temporary = self.folder / "order.new"
        temporary.write_text(what)
        temporary.replace(self.folder / "order")

    def held(self, volume: Volume, folder: Path, **hooks) -> int:
        """A `setImage` of several windows that stands in the middle of the first."""
        (self.folder / "entered").unlink(missing_ok=True)
        self.order("hold")
        request = set_image(self.worker, volume, folder, roi=None, **hooks)
        wait_until((self.folder / "entered").exists, self.worker)
        return request


@pytest.fixture(scope="module")
def obedient(tmp_path_factory):
    """One for all tests of a file; each leaves it at work."""
    obedient = Obedient(tmp_path_factory.mktemp("orders"), tmp_path_factory.mktemp("home"))
    yield obedient
    obedient.worker.stop()


@pytest.fixture
def faulty(start):
    """Makes workers with a fault; see `launcher.py`."""
    return lambda *fault, **options: start(sys.executable, LAUNCHER, *fault, **options)
