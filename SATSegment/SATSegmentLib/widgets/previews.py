"""Masks of terms that are only looked at: the newest wanted is asked for, those before it are given up."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from ..errors import SATError
from ..imaging import Mask, Volume
from ..worker.client import Worker, WorkerError, mask_of_result

_KEPT = 40


@dataclass(frozen=True)
class _Wanted:
    key: tuple
    params: dict
    volume: Volume
    show: Callable[[Mask], None]


class Previews:
    """Asks a worker for one mask at a time.

    Args:
        worker: Its client.
        gone: Called when the worker holds the image no longer.
    """

    def __init__(self, worker: Worker, gone: Callable[[], None]) -> None:
        self._worker, self._gone = worker, gone
        self._masks: OrderedDict[tuple, Mask] = OrderedDict()
        self._wanted: _Wanted | None = None
        self._request: int | None = None
        self._asked: tuple | None = None  # key of the request

    def want(self, key: tuple, params: dict, volume: Volume, show: Callable[[Mask], None]) -> None:
        """Calls `show` with a mask once it is there, unless another one is wanted by then.

        Args:
            key: Of image and term.
            params: Of the worker's `predict`, for one prompt.
            volume: On whose grid the mask is.
            show: Gets it.
        """
        if key in self._masks:
            self.stop()
            self._masks.move_to_end(key)
            show(self._masks[key])
            return
        if self._request is not None and self._asked != key:
            self._give_up()
        self._wanted = _Wanted(key, params, volume, show)
        if self._request is None:
            self._ask()

    def stop(self) -> None:
        """Nothing is wanted any more."""
        self._wanted = None
        self._give_up()

    def forget(self) -> None:
        """Of an image that is gone or another one now."""
        self.stop()
        self._masks.clear()

    def _give_up(self) -> None:
        if self._request is not None:
            self._worker.cancel(self._request, kill=False)  # what it holds is worth more than the moment

    def _ask(self) -> None:
        wanted = self._wanted
        self._asked = wanted.key
        self._request = self._worker.request(
            "predict",
            wanted.params,
            on_result=lambda values, binary: self._came(wanted, values, binary),
            on_done=lambda _answer: self._ended(None),
            on_error=self._ended,
        )

    def _came(self, wanted: _Wanted, values: dict, binary: bytearray | None) -> None:
        with suppress(SATError):  # without its file there is nothing to show
            self._masks[wanted.key] = mask = mask_of_result(values, binary, wanted.volume.shape)
            while len(self._masks) > _KEPT:
                self._masks.popitem(last=False)
            if self._wanted is not None and self._wanted.key == wanted.key:
                self._wanted.show(mask)

    def _ended(self, error: WorkerError | None) -> None:
        self._request = None
        if error is not None and error.kind in ("died", "gone"):
            self._wanted = None
            self._gone()
        elif self._wanted is not None:
            cancelled = error is not None and error.kind == "cancelled"
            # what did not come though nobody gave it up would not come a second time
            if self._wanted.key in self._masks or (self._wanted.key == self._asked and not cancelled):
                self._wanted = None
            else:
                self._ask()
