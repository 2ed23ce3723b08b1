"""What came of the runs: the rows of the segmentation shown, and what can be taken back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from ..imaging import Mask, Volume
from ..mrml.kept import changed_at, kept_segments, read_kept
from ..mrml.segments import MEASURED_TAG, SegmentWriter
from ..output.cleaning import clean
from .asked import Asked
from .rows import Row, noted, row_of, row_of_kept


class Cleaning(NamedTuple):
    """What is done to masks before they become segments, as of `output.cleaning.clean`."""

    largest: bool = False
    holes: bool = False


NO_CLEANING = Cleaning()


@dataclass
class Run:
    """What one press of Segment put, for undo."""

    writer: SegmentWriter
    rows: list[Row] = field(default_factory=list)


class Outcome:
    """Rows and runs. Masks are cleaned and measured by a thread: with tens of millions of voxels it takes a while.

    Args:
        changed: Called after rows or runs have changed.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.rows: list[Row] = []
        """Of the segmentation shown."""
        self._changed = changed
        self.output = None
        """The segmentation shown."""
        self._runs: list[Run] = []
        self._unread: deque[str] = deque()  # segments of the output whose rows are to be looked at
        self._seen = 0  # `changed_at` of the output when they were noted
        self._uncleaned: deque[tuple[Future, Callable[[Future], None]]] = deque()
        self._unmeasured: deque[tuple[Future, Run]] = deque()
        self._measuring = ThreadPoolExecutor(1, "SAT-measure")

    @property
    def cleaning(self) -> bool:
        """Whether masks have arrived that are still being cleaned."""
        return bool(self._uncleaned)

    @property
    def measuring(self) -> bool:
        """Whether masks have arrived whose rows are not known yet."""
        return bool(self._unmeasured)

    def poll(self) -> None:
        """Takes the masks and rows that are there by now; to be called often."""
        while self._uncleaned and self._uncleaned[0][0].done():
            cleaned, put = self._uncleaned.popleft()
            put(cleaned)
        while self._unmeasured and self._unmeasured[0][0].done():
            self._take(*self._unmeasured.popleft())
        if self._unread:
            self._read(self._unread.popleft())

    def begin(self, writer: SegmentWriter) -> Run:
        """A run starts."""
        run = Run(writer)
        self._runs.append(run)
        return run

    def clean(self, mask: Mask, cleaning: Cleaning, put: Callable[[Future], None]) -> None:
        """A mask is to be cleaned; `put` then gets what `output.cleaning.clean` returns, from `poll`."""
        self._uncleaned.append((self._measuring.submit(clean, mask, *cleaning), put))

    def drop_uncleaned(self) -> None:
        """Masks that are still being cleaned are wanted no more."""
        for cleaned, _put in self._uncleaned:
            cleaned.cancel()
        self._uncleaned.clear()

    def add(
        self,
        run: Run,
        volume: Volume,
        term: Asked,
        mask: Mask,
        confidence: float,
        seconds: float,
        segment_id: str,
        cleaned: str,
    ) -> None:
        """A segment was put, whose row is to be measured; the arguments are those of `row_of`."""
        measured = self._measuring.submit(row_of, volume, term, mask, confidence, seconds, segment_id, cleaned)
        self._unmeasured.append((measured, run))

    def drop_empty(self) -> None:
        """Runs that put nothing are none."""
        self._runs = [run for run in self._runs if run.writer.can_undo]

    def show(self, segmentation_node) -> None:
        """Makes `rows` those of a segmentation's segments, also of ones that came from a file; None for none."""
        self.output, self.rows = segmentation_node, []
        self._unread.clear()
        self._note_unread()
        self._changed()

    def look_again(self) -> None:
        """Brings rows up to date with what was changed elsewhere, such as by the Segment Editor, one a poll."""
        if self.output is None or changed_at(self.output) == self._seen:
            return
        self._note_unread()
        there = set(self.output.GetSegmentation().GetSegmentIDs())
        self.rows = [row for row in self.rows if row.segment_id in there]
        self._changed()

    def last_run(self) -> Run | None:
        """The one that can be taken back in the segmentation shown."""
        return next((run for run in reversed(self._runs) if run.writer.node is self.output), None)

    def undo(self, run: Run) -> None:
        """Takes back what a run put.

        Raises:
            InputError: Its segmentation is no longer in the scene.
        """
        self._runs.remove(run)
        put = [row.segment_id for row in run.rows]
        self.rows = [row for row in self.rows if row.segment_id not in put]
        run.writer.undo()
        self._unread.extend(put)  # those that had been replaced are there again
        self._changed()

    def forget(self) -> None:
        """The scene is gone."""
        self.output = None
        self.rows = []
        self.drop_uncleaned()
        for kept in (self._runs, self._unread, self._unmeasured):
            kept.clear()

    def forget_output(self, segmentation_node) -> None:
        """A segmentation is gone."""
        self._runs = [run for run in self._runs if run.writer.node is not segmentation_node]
        self._unmeasured = deque(one for one in self._unmeasured if one[1].writer.node is not segmentation_node)
        if self.output is segmentation_node:
            self.show(None)

    def close(self) -> None:
        """Ends the thread."""
        self.forget()
        self._measuring.shutdown(cancel_futures=True)

    def _take(self, measured: Future, run: Run) -> None:
        row = measured.result()
        run.rows.append(row)
        run.writer.note(row.segment_id, MEASURED_TAG, noted(row))
        if run.writer.node is self.output:
            self._show_row(row)
        self._changed()

    def _note_unread(self) -> None:
        if self.output is not None:
            self._seen = changed_at(self.output)
            self._unread = deque(kept_segments(self.output))

    def _read(self, segment_id: str) -> None:
        """Gives one segment its row unless it has a true one: it takes a moment, so it is one a poll."""
        kept = read_kept(self.output, segment_id)
        if kept is None:
            return
        shown = next((row for row in self.rows if row.segment_id == segment_id), None)
        if shown is None or (shown.name, shown.voxels, shown.color) != (kept.name, kept.voxels, kept.color):
            self._show_row(row_of_kept(kept))
            self._changed()

    def _show_row(self, row: Row) -> None:
        """In its segment's place, else at the end."""
        places = [n for n, other in enumerate(self.rows) if other.segment_id == row.segment_id] or [len(self.rows)]
        self.rows = [*self.rows[: places[0]], row, *self.rows[places[0] + 1 :]]


def edited(run: Run) -> list[str]:
    """Names of a run's segments whose voxels or name are no longer as they were put."""
    segmentation, voxels = run.writer.node.GetSegmentation(), run.writer.voxels()
    found = [(row, segmentation.GetSegment(row.segment_id)) for row in run.rows]
    return [
        row.name
        for row, segment in found
        if segment and (segment.GetName() != row.name or voxels.get(row.segment_id) != row.voxels)
    ]
