"""What it costs to open the knowledge tree and to search it, keystroke by keystroke."""

from __future__ import annotations

import csv
import statistics
import subprocess
import sys
import time
from pathlib import Path

_OPEN = """
import time
start = time.perf_counter()
from SATSegmentLib.anatomy import knowledge_tree, term_index
imported = time.perf_counter()
tree = knowledge_tree()
read = time.perf_counter()
term_index()
print(imported - start, read - imported, time.perf_counter() - read)
"""
_QUERIES = Path(__file__).resolve().parents[1] / "Python" / "anatomy" / "queries.csv"


def terms() -> None:
    """Opening in a new process, the middle of five; every keystroke of the tests' queries, typed letter by letter."""
    from SATSegmentLib.anatomy import Vocabulary, knowledge_tree, sat_classes, term_index

    runs = []
    for _ in range(5):
        out = subprocess.run([sys.executable, "-c", _OPEN], capture_output=True, text=True, check=True).stdout
        runs.append(tuple(map(float, out.split())))
    imported, read, indexed = (statistics.median(column) for column in zip(*runs, strict=True))
    print(f"opened in {read + indexed:.3f} s: tree {read:.3f}, index {indexed:.3f} (and {imported:.3f} to import)")

    index, vocabulary = term_index(), Vocabulary(knowledge_tree(), sat_classes())
    with _QUERIES.open(encoding="utf-8", newline="") as file:
        queries = [row["query"] for row in csv.DictReader(file)]
    index.search("kidny")  # loads RapidFuzz
    times = []
    for query in queries:
        for length in range(1, len(query) + 1):
            start = time.perf_counter()
            index.search(query[:length], vocabulary, "ct")
            times.append(1000 * (time.perf_counter() - start))
    times.sort()
    shares = {share: times[min(len(times) - 1, int(share * len(times)))] for share in (0.5, 0.9, 0.99, 0.999)}
    spread = ", ".join(f"{100 * share:g} % within {value:.2f}" for share, value in shares.items())
    print(f"{len(times)} keystrokes in ms: {spread}, longest {times[-1]:.2f}")
