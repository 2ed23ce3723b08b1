"""How long a keystroke in the picker's search field keeps SATSegment's window from answering."""

from __future__ import annotations

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_QUERIES = ("right kidney", "inferior vena cava", "L3", "oesophagus", "kidny", "left upper lobe", "vertebra")


def panel() -> None:
    """Every letter typed until the window is drawn anew, with and without what the model does not know."""
    sys.path[:0] = [str(ROOT), str(ROOT / "SATSegment")]
    from Testing import Harness

    Harness.install()
    start = time.perf_counter()
    widget = Harness.open_module("SATSegment")
    Harness.process_events()
    print(f"opened in {time.perf_counter() - start:.2f} s")
    picker = widget.panel.picker
    Harness.wait_until(lambda: False, 1)  # nobody types within a second
    for only_known in (True, False):
        picker.only_known.checked = only_known
        times = []
        for query in _QUERIES:
            for length in range(len(query) + 1):
                start = time.perf_counter()
                picker.field.text = query[:length]
                Harness.process_events()
                times.append(1000 * (time.perf_counter() - start))
        times.sort()
        which = "known terms only" if only_known else "all terms"
        print(
            f"{which}: {len(times)} keystrokes, half within {times[len(times) // 2]:.0f} ms, longest {times[-1]:.0f} ms"
        )
    start = time.perf_counter()
    picker.grouping.currentIndex = 1 - picker.grouping.currentIndex
    for row in range(picker.browser.topLevelItemCount):
        picker.browser.topLevelItem(row).setExpanded(True)
    Harness.process_events()
    print(f"the other grouping with all its groups opened: {1000 * (time.perf_counter() - start):.0f} ms")
    Harness.close()
