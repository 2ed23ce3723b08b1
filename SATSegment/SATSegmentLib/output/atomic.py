"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import InputError, SATError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def check_targets(paths: Iterable[Path], overwrite: bool) -> None:
    """Refuses targets that cannot or must not be written, before any work starts.

    Raises:
        InputError: A target exists and `overwrite` is false, or it is a folder, or its folder does not
            exist or cannot be written to.
    """
    for path in map(Path, paths):
        if path.is_dir():
            raise InputError(f"{path} is a folder; give the name of a file.")
        if path.exists() and not overwrite:
            raise InputError(f"{path} exists; give --overwrite to replace it, or another name.")
        if not path.parent.is_dir():
            raise InputError(f"The folder {path.parent} does not exist; make it first, or choose another.")
        if not os.access(path.parent, os.W_OK):
            raise InputError(
                f"The folder {path.parent} cannot be written to; change its permissions, or choose another."
            )


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place once the block ends well.

    However the block ends otherwise, what `path` held before stays and the temporary file is removed.

    Args:
        path: The file to write.

    Yields:
        A hidden name of the same suffixes in the same folder.

    Raises:
        SATError: The disk is full, or the file cannot be written or replaced.
    """
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise SATError(f"There is no space left to write {path}; free some, or write to another disk.") from error
        raise SATError(
            f"{path} could not be written ({error.strerror or error}); close programs that have it open, "
            "or choose another place."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
