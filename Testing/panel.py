"""Opens a module's panel without Slicer, brings it to a state, and writes a picture of it.

python3 dev.py panel SATSegment --screenshot out.png [--state done]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import slicerio

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "SATSegment"), str(ROOT / "SATTraining")]


def main() -> int:
    """Writes the picture; returns an exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("module", choices=["SATSegment", "SATTraining"])
    parser.add_argument("--screenshot", type=Path, required=True, help="PNG to write")
    parser.add_argument("--state", default="empty")
    options = parser.parse_args()

    from Testing import Harness, panel_training

    states = STATES if options.module == "SATSegment" else panel_training.STATES
    if options.state not in states:
        parser.error(f"--state of {options.module} is one of {', '.join(states)}")
    Harness.install()
    import slicer

    widget = Harness.open_module(options.module)
    states[options.state](Harness, widget)
    Harness.process_events()
    Harness.screenshot(str(options.screenshot))
    if plot := slicer.app.layoutManager().plotWidget(0):
        Harness.screenshot(str(options.screenshot.with_stem(f"{options.screenshot.stem}-curves")), plot)
    problems = Harness.exceptions()
    Harness.close()
    print("\n".join(problems) or f"wrote {options.screenshot}")
    return 1 if problems else 0


def load_chest():
    """slicerio's chest CT in the scene."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CTChest4")
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(Path(slicerio.__file__).parent / "data" / "CTChest4.nrrd"))
    if not storage.ReadData(node):
        raise OSError("slicerio's CTChest4.nrrd cannot be read")
    return node


def _empty(harness, widget) -> None:
    pass


def _searching(harness, widget) -> None:
    widget._parameterNode.inputVolume = load_chest()
    widget.panel.picker.only_known.checked = False
    harness.type_keys(widget.panel.picker.field, "lung")


def _browsing(harness, widget) -> None:
    widget._parameterNode.inputVolume = load_chest()
    browser = widget.panel.picker.browser
    for row in range(browser.topLevelItemCount):
        item = browser.topLevelItem(row)
        if item.text(0) == "Thorax":
            item.setExpanded(True)
            item.child(item.childCount() - 2).setExpanded(True)


def _chosen(harness, widget) -> None:
    widget._parameterNode.inputVolume = load_chest()
    for name in ("rt lung", "left lung", "spinal cord", "vertebrae"):
        harness.type_keys(widget.panel.picker.field, f"{name}<Enter>")
    harness.type_keys(widget.panel.picker.field, "<Esc>")
    widget.ui.imageSection.collapsed = True


def _running(harness, widget) -> None:
    _chosen(harness, widget)
    harness.click(widget.ui.runButton)
    session = widget.panel.session
    if not harness.wait_until(lambda: session.progress is not None and session.progress[0] > 0, 120):
        raise TimeoutError("the run did not begin")


def _done(harness, widget) -> None:
    _running(harness, widget)
    if not harness.wait_until(lambda: not widget.panel.session.busy, 300):
        raise TimeoutError("the run did not end")
    import slicer

    slicer.util.mainWindow().resize(440, 1120)  # all of it
    harness.type_keys(widget.panel.picker.field, "lung")


def _error(harness, widget) -> None:
    import os
    import signal

    _running(harness, widget)
    os.kill(widget.panel.session.worker.info["pid"], signal.SIGTERM)
    harness.wait_until(lambda: not widget.panel.session.busy, 60)
    widget.ui.termsSection.collapsed = True


def _setup(harness, widget) -> None:
    for section in ("imageSection", "termsSection", "outputSection", "resultsSection"):
        getattr(widget.ui, section).collapsed = True
    widget.ui.setupSection.collapsed = False


_OF_SEGMENT = (_empty, _searching, _browsing, _running, _done, _error, _setup)
STATES = {state.__name__[1:]: state for state in _OF_SEGMENT}

if __name__ == "__main__":
    sys.exit(main())
