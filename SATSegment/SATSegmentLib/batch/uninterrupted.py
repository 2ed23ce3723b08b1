"""Preloaded by the workers of this machine: Ctrl-C reaches them too, and it is for the command to end them."""

from __future__ import annotations

import signal


def dask_setup(worker) -> None:
    """Called by Dask in the worker's main thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
