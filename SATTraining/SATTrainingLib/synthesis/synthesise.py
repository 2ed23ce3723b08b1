"""A folder of synthesised cases: images, masks and their list."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from SATSegmentLib.errors import InputError, SATError
from SATSegmentLib.output import written

from ..cases.masks import stem_of
from .config import SynthesisConfig

CASES = "cases.jsonl"
_PICTURES = 2  # of a body in each modality, as completing a label map takes longer than a picture
_FINGERPRINT = "fingerprint"  # of a case's row; it tells whether the case would be made the same again


@dataclass(frozen=True)
class _Order:
    """One volume to be made.

    Attributes:
        id: Of the case.
        kind, path: Of the label map.
        number: Of its bodies.
        modality: "ct" or "mri".
        fingerprint: What the volume is made from, and how.
    """

    id: str
    kind: str
    path: Path
    number: int
    modality: str
    fingerprint: str

    @property
    def files(self) -> tuple[str, str]:
        """Image and mask, within the folder."""
        return f"images/{self.id}.nii.gz", f"masks/{self.id}.nii.gz"

    @property
    def body(self) -> tuple[str, Path, int]:
        """What several volumes have in common."""
        return self.kind, self.path, self.number


def synthesise(
    config: SynthesisConfig, folder: Path, workers: int = 1, progress: Callable[[int, int], None] = lambda *_: None
) -> tuple[int, int]:
    """Makes the cases that are not there yet: `images/`, `masks/` and `cases.jsonl`, whose paths are relative.

    An annotated structure that lies outside a volume stays among its labels: it is known to be absent there.

    Args:
        config: Of what.
        folder: New, empty, or one that was made so; volumes of other settings are replaced.
        workers: Processes.
        progress: Called with the volumes that are there and that there will be.

    Returns:
        Cases, and how many of them were made now.

    Raises:
        InputError: The folder holds something else, or a label map cannot be read.
        SATError: A file cannot be written, or a process ended unexpectedly.
    """
    there = _rows(folder)
    orders = list(_orders(config))
    rows = _kept(folder, orders, there)
    missing = [order for order in orders if order.id not in rows]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder, orders, rows)  # first: it tells that the folder is of this kind
        for name in ("images", "masks"):
            (folder / name).mkdir(exist_ok=True)
    except OSError as error:
        raise SATError(f"{folder} cannot be made ({error.strerror}); name another folder.") from error
    progress(len(rows), len(orders))
    for row in _made(config.seed, missing, folder, workers):
        rows[row["id"]] = row
        _write(folder, orders, rows)
        progress(len(rows), len(orders))
    return len(orders), len(missing)


def _orders(config: SynthesisConfig) -> Iterator[_Order]:
    code = blake2b()
    for path in sorted(Path(__file__).parent.rglob("*.py")):  # what makes volumes is a part of what they are
        code.update(path.read_bytes())
    for kind, source in config.datasets.items():
        for path in source.files:
            content = code.digest() + path.read_bytes()
            for modality in ("ct", "mri"):
                for number in range(getattr(source, modality)):
                    name = f"{kind}-{stem_of(path)}-{modality}-{number:03d}"
                    made_from = blake2b(content + f"{config.seed} {name}".encode(), digest_size=16).hexdigest()
                    yield _Order(name, kind, path, number // _PICTURES, modality, made_from)


def _rows(folder: Path) -> list[dict]:
    """The cases that were made in a folder, none in a new one."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder.")
    if not folder.is_dir() or all(path.name.startswith(".") for path in folder.iterdir()):
        return []
    try:
        rows = [json.loads(line) for line in (folder / CASES).read_text(encoding="utf-8").splitlines()]
        if all(_FINGERPRINT in row for row in rows):
            return rows
    except (OSError, ValueError, TypeError):  # no list, or none of ours
        pass
    raise InputError(f"{folder} holds files that were not made so; name a new folder.")


def _kept(folder: Path, orders: list[_Order], rows: list[dict]) -> dict[str, dict]:
    """Id to row of the cases that need not be made again."""
    wanted = {order.fingerprint: order for order in orders}
    kept = {}
    for row in rows:
        order = wanted.get(row[_FINGERPRINT])
        if order and all((folder / file).is_file() for file in order.files):
            kept[order.id] = row
    return kept


def _write(folder: Path, orders: list[_Order], rows: dict[str, dict]) -> None:
    lines = [json.dumps(rows[order.id]) + "\n" for order in orders if order.id in rows]
    with written(folder / CASES) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def _made(seed: int, orders: list[_Order], folder: Path, workers: int) -> Iterator[dict]:
    """Rows of the cases, in order; those of a body come together where there are several processes."""
    bodies: dict[tuple, list[_Order]] = {}
    for order in orders:
        bodies.setdefault(order.body, []).append(order)
    if workers == 1:
        for same in bodies.values():
            yield from _make(seed, same, folder)
        return
    # Python 3.11's ProcessPoolExecutor waits for ever where a process ends while another one starts
    from torch.utils.data import DataLoader

    made = DataLoader(
        _Bodies(seed, list(bodies.values()), folder),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=1,
        multiprocessing_context="spawn",
    )
    try:
        for rows in made:
            if isinstance(rows, SATError):
                raise rows
            yield from rows
        return
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker (pid"):  # not of a process that ended
            raise
    # here, as the trace of that error keeps the other processes at work
    raise SATError(
        "A process that makes volumes ended unexpectedly, perhaps for want of memory; go on with fewer workers."
    )


@dataclass(frozen=True)
class _Bodies:
    """The rows of each body's volumes, which are made when they are asked for; an error that is told is given back."""

    seed: int
    orders: list[list[_Order]]
    folder: Path

    def __len__(self) -> int:
        return len(self.orders)

    def __getitem__(self, number: int) -> list[dict] | SATError:
        try:
            return list(_make(self.seed, self.orders[number], self.folder))
        except SATError as error:
            return error


def _make(seed: int, orders: list[_Order], folder: Path) -> Iterator[dict]:
    """Writes volumes of one body, and their masks; yields their rows of the case list."""
    from .bodies import read_body
    from .generate import generate

    kind, path, number = orders[0].body
    body = read_body(kind, path, _random(seed, kind, stem_of(path), number))
    labels = [{"name": name, "value": value} for value, name in sorted(body.labels.items())]
    for order in orders:
        image, mask, spacing = generate(body, _random(seed, order.id), order.modality)
        narrow = np.uint8 if mask.max() < 256 else np.uint16
        image_file, mask_file = order.files
        _save(folder / mask_file, mask.astype(narrow), spacing)
        _save(folder / image_file, np.rint(image).astype(np.int16), spacing)
        yield {
            "id": order.id,
            "image": image_file,
            "mask": mask_file,
            "labels": labels,
            "modality": order.modality,
            "dataset": body.dataset,
            "patient": body.name,
            _FINGERPRINT: order.fingerprint,
        }


def _random(*of: object) -> np.random.Generator:
    digest = blake2b(" ".join(map(str, of)).encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def _save(path: Path, array: np.ndarray, spacing: tuple[float, float, float]) -> None:
    import nibabel

    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -(np.array(array.shape) - 1) / 2 * spacing
    image = nibabel.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    with written(path) as temporary:
        nibabel.save(image, temporary)
