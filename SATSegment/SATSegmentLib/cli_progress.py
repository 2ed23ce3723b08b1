"""Progress of commands."""

from __future__ import annotations

import sys


class Bar:
    """Progress on stderr, where someone looks at it."""

    def __init__(self, unit: str, scale: bool = False) -> None:
        from tqdm import tqdm

        self._bar = tqdm(disable=not sys.stderr.isatty(), unit=unit, unit_scale=scale, leave=False)
        self._stage = ""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if stage != self._stage:
            self._stage = stage
            self._bar.reset(total)
            self._bar.set_description(stage)
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        self._bar.close()
