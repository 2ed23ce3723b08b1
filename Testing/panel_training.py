"""States of SATTraining's panel for its pictures: real files, real processes, made-up scans."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from pathlib import Path

CASES, LABELS, TRAINING, RUN = range(4)
_SHAPE = (64, 64, 32)
_STEPS = 10
_SECONDS = 900


def chests(folder: Path, count: int = 6) -> Path:
    """A list of made-up scans: tissue, two lungs of air, a heart; the last one with its sides exchanged."""
    import nibabel
    import numpy as np

    rows = []
    ellipsoids = ((1, (20, 32, 16), (9, 16, 12)), (2, (44, 32, 16), (9, 16, 12)), (3, (30, 40, 12), 6))
    index = np.stack(np.meshgrid(*map(np.arange, _SHAPE), indexing="ij"), -1)
    for number in range(count):
        random = np.random.default_rng(number)
        labels = np.zeros(_SHAPE, np.uint8)
        for value, middle, axes in ellipsoids:
            at = np.array(middle) + random.integers(-2, 3, 3)
            labels[(((index - at) / axes) ** 2).sum(-1) < 1] = value
        image = np.array([40, -850, -850, 120])[labels] + random.normal(0, 20, _SHAPE)
        outside = (((index - np.array(_SHAPE) / 2) / (28, 26, 40)) ** 2).sum(-1) > 1
        image[outside & (labels == 0)] = -1000
        affine = np.diag([4.0, 4, 6, 1])
        name = f"chest_{number + 1:03d}"
        nibabel.save(nibabel.Nifti1Image(image.astype(np.int16), affine), folder / f"{name}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(labels, affine), folder / f"{name}_mask.nii.gz")
        sides = ["lung_l", "lung_r"] if number < count - 1 else ["lung_r", "lung_l"]
        names = {"1": sides[0], "2": sides[1], "3": "Cor"}
        rows.append(
            {"id": name, "image": f"{name}.nii.gz", "mask": f"{name}_mask.nii.gz", "labels": names}
            | {"modality": "ct", "dataset": "chests"}
        )
    path = folder / "cases.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _folder() -> Path:
    """A folder that goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix="sattraining-panel-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _wait(harness, predicate, what: str) -> None:
    if not harness.wait_until(predicate, _SECONDS):
        raise TimeoutError(what)


def empty(harness, widget) -> None:
    """As it opens."""


def cases(harness, widget) -> None:
    """A list with a problem."""
    os.environ["SATSEGMENT_HOME"] = str(_folder())
    panel = widget.panel
    panel.cases.add_described(chests(_folder()))
    _wait(harness, lambda: not panel.background.title, "the cases were not read")
    table = widget.ui.casesTable
    harness.click((table, table.model().index(table.rowCount - 1, 0)))


def labels(harness, widget) -> None:
    """What the labels mean, one of them guessed."""
    cases(harness, widget)
    widget.ui.tabs.currentIndex = LABELS


def training(harness, widget) -> None:
    """Ready to start."""
    cases(harness, widget)
    widget.panel.cases.remove(widget.panel.cases.with_errors())
    widget._parameterNode.runName = "chests"
    widget._parameterNode.steps = _STEPS
    widget.ui.tabs.currentIndex = TRAINING
    widget.ui.advancedSection.collapsed = False


def running(harness, widget) -> None:
    """A few steps of a real training."""
    training(harness, widget)
    harness.click(widget.ui.startButton)
    _begun(harness, widget)
    monitor = widget.panel.runs.monitor
    _wait(harness, lambda: len(monitor.losses().get("all", ())) > 2, "the training did not go on")


def done(harness, widget) -> None:
    """The end of it, with a held-out case shown."""
    training(harness, widget)
    harness.click(widget.ui.startButton)
    _begun(harness, widget)
    runs = widget.panel.runs
    _wait(harness, lambda: not runs.monitor.alive, "the training did not end")
    harness.click(widget.ui.overlayButton)
    _wait(harness, lambda: not runs.overlay.busy, "the case was not shown")
    widget.ui.curve.currentIndex = 1


def error(harness, widget) -> None:
    """A list that cannot be read."""
    folder = _folder()
    (folder / "cases.jsonl").write_text('{"id": "a", "image": "a.nii.gz"}\n')
    widget.panel.cases.add_described(folder / "cases.jsonl")
    _wait(harness, lambda: not widget.panel.background.title, "the list was not read")


def _begun(harness, widget) -> None:
    """Waits until the training has begun, and ends it with the picture."""
    import psutil

    _wait(harness, lambda: widget.ui.tabs.currentIndex == RUN, "the training did not begin")
    folder = widget.panel.runs.monitor.folder

    def end() -> None:
        top = json.loads((folder / "process.json").read_text())
        try:
            tree = psutil.Process(top["pid"])
        except psutil.NoSuchProcess:
            return
        for process in (*tree.children(recursive=True), tree):
            process.kill()

    atexit.register(end)


STATES = {state.__name__: state for state in (empty, cases, labels, training, running, done, error)}
