"""Cases of the scene as files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from pathlib import Path

from SATSegmentLib.errors import SATError
from SATSegmentLib.output.atomic import written

from ..cases import Case
from .scene_cases import SceneCase

_LONGEST_NAME = 80  # letters


def free_id(name: str, taken: Collection[str], folder: Path) -> str:
    """A case id made of a volume's name, in letters that every file system takes, new in its list and its folder."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    base = unique = re.sub("[^A-Za-z0-9_-]+", "_", plain)[:_LONGEST_NAME].strip("_") or "case"
    number = 1
    while unique in taken or any(path.exists() for path in _paths(folder, unique)):
        number += 1
        unique = f"{base}_{number}"
    return unique


def write_case(scene_case: SceneCase, folder: Path, case_id: str, dataset: str, patient: str = "") -> Case:
    """Writes a case's image and mask as NIfTI, each whole or not at all; files of the same id are replaced.

    Args:
        scene_case: What to write; safe to use in a thread.
        folder: Made where it is not there.
        case_id: From `free_id`, or of a case to be written again.
        dataset, patient: Of the case.

    Raises:
        SATError: The folder or a file cannot be written.
    """
    import nibabel

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SATError(f"The folder {folder} cannot be made ({error.strerror}); choose another one.") from error
    image, mask = _paths(folder, case_id)
    volume, layers = scene_case.volume, scene_case.layers
    layers = layers[..., 0] if layers.shape[3] == 1 else layers
    array = volume.array.astype(volume.array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind == "b" or array.dtype.itemsize == 8:  # NIfTI readers often know neither
        array = array.astype("uint8" if array.dtype.kind == "b" else "float32")
    for path, values in ((image, array), (mask, layers)):
        with written(path) as temporary:
            file = nibabel.Nifti1Image(values, volume.affine)
            file.header.set_xyzt_units("mm")
            nibabel.save(file, temporary)
    return Case(case_id, image, mask, scene_case.labels, volume.modality, dataset, patient)


def _paths(folder: Path, case_id: str) -> tuple[Path, Path]:
    return folder / f"{case_id}_image.nii.gz", folder / f"{case_id}_mask.nii.gz"
