"""Prepared cases kept on disk, so that a training starts at once the next time."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import numpy as np

from SATSegmentLib.errors import Cancelled, InputError, SATError
from SATSegmentLib.network import SATConfig

from ..cases import Case, DatasetLabels, Label
from .content import ContentHashes
from .prepared import VERSION, PreparedCase, StoredArray, prepare_case

_HASHES = "hashes.jsonl"
_ENTRY = "case.json"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_LEFT_BEHIND = 24 * 3600.0  # seconds; nobody takes that long to write a case
_SHOWN = 3  # cases named where several cannot be used


class CaseCache:
    """Prepared cases in a folder, one sub-folder each, named by all that its content depends on.

    A case is found again wherever its files are moved to; it is prepared anew when its scan, mask or labels, the terms
    they teach or the network's grid change. Several processes may use the folder at once. Everything in it may be
    deleted while no training runs.

    Args:
        folder: Made where it is not there.

    Raises:
        SATError: The folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._hashes = ContentHashes(folder / _HASHES)
        except OSError as error:
            raise SATError(f"Prepared cases cannot be kept in {folder} ({error.strerror}); choose another.") from error
        for left in folder.glob(".*.part"):  # by a process that was killed
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > _LEFT_BEHIND:
                    shutil.rmtree(left, ignore_errors=True)

    def get(self, case: Case, labels: DatasetLabels, network: SATConfig) -> PreparedCase:
        """The case on the network's grid, whose arrays are read as they are needed; prepared where it is not kept.

        Raises:
            InputError: See `prepare_case`.
            SATError: The disk is full, or cannot be written to.
        """
        folder = self.folder / self._fingerprint(case, labels, network)
        kept = _read(folder, case)
        if kept is None:
            self._write(folder, prepare_case(case, labels, network))
            kept = _read(folder, case)
        if kept is None:
            raise SATError(f"{case.id} was removed from {self.folder} while it was prepared; start again.")
        return kept

    def _fingerprint(self, case: Case, labels: DatasetLabels, network: SATConfig) -> str:
        terms = labels.terms_of(case)
        try:
            told = [
                VERSION,
                self._hashes.of(case.image),
                self._hashes.of(case.mask),
                case.modality,
                [[term, [dataclasses.astuple(label) for label in terms[term]]] for term in sorted(terms)],
                labels.lungs_from_air,
                network.spacing,
                network.axis_codes,
            ]
        except OSError as error:
            raise InputError(f"{case.id}: {error.filename} cannot be read: {error.strerror}.") from error
        return blake2b(json.dumps(told).encode(), digest_size=16).hexdigest()

    def _write(self, folder: Path, case: PreparedCase) -> None:
        """Puts a case at `folder`, whole or not at all; another process may do the same meanwhile."""
        temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
        try:
            temporary.mkdir()
            _save(temporary, case)
            if folder.exists() and _read(folder, case.case) is None:  # damaged
                shutil.rmtree(folder)
            try:
                temporary.rename(folder)
            except OSError:
                if _read(folder, case.case) is None:  # no other process was quicker
                    raise
        except OSError as error:
            if error.errno in _DISK_FULL:
                raise SATError(
                    f"There is no space left in {self.folder} for prepared cases; free some, or choose another folder. "
                    "The cases prepared so far are kept."
                ) from error
            raise SATError(
                f"{case.case.id} could not be kept in {self.folder} ({error.strerror or error}); choose another folder."
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def prepare_all(
    cases: Sequence[Case],
    datasets: Mapping[str, DatasetLabels],
    network: SATConfig,
    cache: CaseCache,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    rank: int = 0,
    world: int = 1,
) -> list[PreparedCase]:
    """All cases on the network's grid, in their order.

    What is kept already is taken as it is, so work that was stopped goes on where it was. Each of `world` processes
    begins with its own share and then takes what the others have not done yet, so none waits for another, whether they
    share a disk or not.

    Args:
        cases: To prepare.
        datasets: What labels teach, by data set; others teach their labels as they are.
        network: Whose grid.
        cache: Where they are kept.
        progress: Called with cases done and all.
        cancelled: Asked before each case.
        rank, world: Which of how many processes this is.

    Raises:
        InputError: Some cases cannot be used; the others are kept by then.
        SATError: The disk is full, or cannot be written to.
        Cancelled: `cancelled` said so; what was prepared is kept.
    """
    shares = [list(range(first, len(cases), world)) for first in range(world)]
    order = shares[rank] + [i for k in range(1, world) for i in reversed(shares[(rank + k) % world])]
    prepared: dict[int, PreparedCase] = {}
    faults: dict[int, str] = {}
    for done, index in enumerate(order, start=1):
        if cancelled and cancelled():
            raise Cancelled
        case = cases[index]
        try:
            prepared[index] = cache.get(case, datasets.get(case.dataset, DatasetLabels()), network)
        except InputError as error:
            faults[index] = str(error) if str(error).startswith(case.id) else f"{case.id}: {error}"
        if progress:
            progress(done, len(cases))
    if faults:
        told = [faults[index] for index in sorted(faults)]
        more = f" And {len(told) - _SHOWN} more." if len(told) > _SHOWN else ""
        raise InputError(f"{len(told)} of {len(cases)} cases cannot be used. {' '.join(told[:_SHOWN])}{more}")
    return [prepared[index] for index in range(len(cases))]


def _save(folder: Path, case: PreparedCase) -> None:
    arrays = {
        "image": case.image,
        "labels": case.labels,
        "voxels": np.concatenate([case.labelled, *case.voxels.values()]),
    }
    entry = {
        "spacing": case.spacing,
        "terms": {term: [dataclasses.astuple(label) for label in labels] for term, labels in case.terms.items()},
        "labelled": len(case.labelled),
        "voxels": {term: len(voxels) for term, voxels in case.voxels.items()},  # in their order, after those of all
        "arrays": {},
    }
    for name, array in arrays.items():
        path = folder / f"{name}.npy"
        array = np.ascontiguousarray(array)
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
            file.write(array.reshape(-1).view(np.uint8))  # np.save does not tell that a disk is full
            file.flush()
            os.fsync(file.fileno())
        entry["arrays"][name] = {"shape": array.shape, "bytes": path.stat().st_size}
    (folder / _ENTRY).write_text(json.dumps(entry), encoding="utf-8")


def _read(folder: Path, case: Case) -> PreparedCase | None:
    """The case kept at `folder` where it is there and whole, else None."""
    arrays = {}
    try:
        entry = json.loads((folder / _ENTRY).read_text(encoding="utf-8"))
        for name, told in entry["arrays"].items():
            path = folder / f"{name}.npy"
            if path.stat().st_size != told["bytes"]:
                return None
            arrays[name] = StoredArray(path, tuple(told["shape"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    rows = arrays["voxels"]
    voxels, start = {}, entry["labelled"]
    for term, count in entry["voxels"].items():
        voxels[term] = StoredArray(rows.path, (count, 3), start)
        start += count
    terms = {term: tuple(Label(*label) for label in labels) for term, labels in entry["terms"].items()}
    labelled = StoredArray(rows.path, (entry["labelled"], 3))
    return PreparedCase(case, arrays["image"], arrays["labels"], terms, tuple(entry["spacing"]), voxels, labelled)
