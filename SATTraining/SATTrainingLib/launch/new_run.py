"""A new run made by a process of its own, so that whoever asks for it need not load PyTorch."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from SATSegmentLib.errors import Cancelled, InputError, SATError

from .. import runs
from ..cases import Case, write_cases
from ..training.config import TrainingConfig
from .process import environment
from .runs import new_run_folder

_POLL_SECONDS = 0.1


def make_run(
    config: TrainingConfig, cases: Sequence[Case], title: str, cancelled: Callable[[], bool] | None = None
) -> Path:
    """Makes a run in the runs folder, checked but not started.

    Args:
        config: What to do; its `cases` are not read.
        cases: The case list.
        title: The folder is named after it.
        cancelled: Asked now and then.

    Returns:
        The folder.

    Raises:
        InputError: The configuration does not fit its cases or its model.
        SATError: The run cannot be made.
        Cancelled: `cancelled` said so.
    """
    folder = new_run_folder(title)
    try:
        with tempfile.TemporaryDirectory(prefix="sattraining-") as place:
            listed = Path(place) / runs.CASES
            write_cases(listed, cases)
            written = Path(place) / runs.CONFIG
            replace(config, cases=listed).write(written)
            call([sys.executable, "-m", __name__, str(written), str(folder)], cancelled)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def call(command: Sequence[str], cancelled: Callable[[], bool] | None = None) -> None:
    """Runs a command of this library to its end.

    Raises:
        InputError, SATError: The command ended so; the last line it printed to stderr says why.
        Cancelled: `cancelled` said so; the command was ended.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log
        )
        while True:
            try:
                code = process.wait(_POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if cancelled is not None and cancelled():
                    process.kill()
                    process.wait()
                    raise Cancelled from None
        log.seek(0)
        text = log.read().decode("utf-8", "replace").strip()
    if code:
        last = text.splitlines()[-1] if text else "it said nothing"
        if code not in (2, 3):
            last = f"The process ended unexpectedly with code {code}: {last}"
        error = (InputError if code == 2 else SATError)(last.removeprefix("sattraining: "))
        error.details = text
        raise error


def _main(config: str, folder: str) -> int:
    from ..training.start import create_run

    try:
        create_run(TrainingConfig.read(Path(config)), Path(folder))
        return 0
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except SATError as error:
        print(error, file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
