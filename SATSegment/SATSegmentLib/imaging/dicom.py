"""Volumes from DICOM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from .dicom_series import Series, choose_series
from .modality import modality_of_dicom
from .volume import Volume

_KIND = ("RescaleSlope", "RescaleIntercept", "BitsStored", "PixelRepresentation")  # what an image's values are kept as


@dataclass(frozen=True, eq=False)
class DicomSource:
    """The DICOM images that a volume was made of.

    Attributes:
        files: In no order that matters; a multi-frame image is one file.
        instances: SOP instance UIDs, one a file.
        notes: What a user should know of how they became the volume, a sentence each.
    """

    files: tuple[Path, ...]
    instances: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_dicom(path: Path, modality: str | None) -> Volume:
    """The volume of a DICOM study's series (see `choose_series`), on the planes of its slices.

    What a tilted gantry shifted is put in place to the nearest pixel; one missing slice becomes the mean of its
    neighbours; both are said in the notes of its `source`.

    Args:
        path: A folder, or one file of the series wanted.
        modality: Overrides the DICOM tag.

    Raises:
        InputError: There is no series that makes a volume, or its pixels cannot be read.
    """
    chosen = choose_series(path, modality)
    series = chosen.series
    array = _assembled(series, _pixels(series))
    notes = (chosen.reason, *_notes(series))
    source = DicomSource(
        series.files,
        tuple(str(header.SOPInstanceUID) for header in series.headers),
        tuple(note for note in notes if note),
    )
    return Volume(array, series.stack.affine, modality or modality_of_dicom(series.modality), path.name, source)


def _notes(series: Series) -> list[str]:
    notes, stack = [], series.stack
    if stack.sheared:
        notes.append(
            f"The slices of {series.title} are shifted against each other, as a gantry tilted by {stack.tilt:.1f} "
            "degrees does; they were put in place to the nearest pixel."
        )
    if stack.missing is not None:
        notes.append(
            f"A slice of {series.title} is missing after slice {stack.missing}; the mean of its neighbours stands in "
            "for it."
        )
    return notes


def _pixels(series: Series) -> np.ndarray:
    """Values of the source's slices after rescaling, axes (slice, row, column), in the source's order."""
    try:
        if any(_is_misread(header) for header in series.headers):
            return _frames(series.files)
        import SimpleITK as sitk

        sitk.ProcessObject.SetGlobalWarningDisplay(False)  # of spacing, which is checked by its own code
        kinds = {tuple(header.get(name) for name in _KIND) for header in series.headers}
        kind = sitk.sitkFloat32 if len(kinds) > 1 else sitk.sitkUnknown  # else the first slice's kind is all's
        return sitk.GetArrayFromImage(sitk.ReadImage([str(file) for file in series.files], kind))
    except Exception as error:  # of decoders, many kinds
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"The DICOM series {series.title} cannot be read: {reason[-1]} Export it again, uncompressed."
        ) from error


def _is_misread(header) -> bool:
    """Whether ITK gives other values: it exchanges dark and bright, and scales frames as the first one's are."""
    return header.get("PhotometricInterpretation") == "MONOCHROME1" or "PerFrameFunctionalGroupsSequence" in header


def _frames(files: Sequence[Path]) -> np.ndarray:
    """As `_pixels`, by highdicom."""
    import highdicom

    as_stored = {"dtype": np.float32, "apply_real_world_transform": False, "apply_presentation_lut": False}
    frames = np.concatenate(
        [highdicom.imread(file, lazy_frame_retrieval=True).get_frames(**as_stored) for file in files]
    )
    whole = np.all(frames == np.round(frames)) and np.abs(frames).max() < np.iinfo(np.int16).max
    return frames.astype(np.int16) if whole else frames


def _assembled(series: Series, pixels: np.ndarray) -> np.ndarray:
    """The voxels of the series' grid, axes (I, J, K); the lowest value where no slice reaches."""
    stack = series.stack
    if pixels.shape[1:] != series.slices[0].size[::-1] or len(pixels) != len(series.slices):
        raise InputError(f"The DICOM series {series.title} holds other pixels than its headers say; export it again.")
    if stack.sheared:
        array = np.full(stack.shape[::-1], pixels.min(), pixels.dtype)
    else:
        array = np.empty(stack.shape[::-1], pixels.dtype)
    for k, (number, (i, j)) in enumerate(zip(stack.order, stack.shifts, strict=True)):
        if number >= 0:
            rows, columns = pixels.shape[1:]
            array[k, j : j + rows, i : i + columns] = pixels[number]
    if (k := stack.missing) is not None:
        mean = (array[k - 1].astype(np.float64) + array[k + 1]) / 2
        array[k] = mean if array.dtype.kind == "f" else np.round(mean)
    return array.transpose(2, 1, 0)
