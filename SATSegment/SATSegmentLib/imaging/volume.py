"""A three-dimensional scan with its place in the patient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .modality import guess_modality, modality_of_word

if TYPE_CHECKING:
    from .dicom import DicomSource

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SHEAR_TOLERANCE = 1e-2  # cosine between two axes; half a degree is what rounded headers show


@dataclass(frozen=True, eq=False)
class Volume:
    """One scalar volume.

    Attributes:
        array: Intensities, axes (I, J, K); Hounsfield units for CT.
        affine: 4x4, voxel indices (i, j, k, 1) to RAS millimetres, of voxel centres.
        modality: "ct", "mri", "us" or "pet"; guessed from the intensities where None was given.
        name: What to call it in messages.
        source: The DICOM images it was made of, if it was.

    Raises:
        InputError: The array is not a finite scalar volume of 2 or more voxels an axis, or the affine
            is singular or sheared.
    """

    array: np.ndarray
    affine: np.ndarray
    modality: str | None = None
    name: str = "volume"
    source: DicomSource | None = None

    def __post_init__(self) -> None:
        array = np.asarray(self.array)
        affine = np.asarray(self.affine, dtype=np.float64)
        self._check_array(array)
        self._check_affine(affine)
        object.__setattr__(self, "array", array)
        object.__setattr__(self, "affine", affine)
        modality = guess_modality(array) if self.modality is None else modality_of_word(self.modality)
        object.__setattr__(self, "modality", modality)

    def _check_array(self, array: np.ndarray) -> None:
        if array.ndim != 3:
            raise InputError(
                f"{self.name} has {array.ndim} dimensions {array.shape}; SAT segments one 3-D volume. "
                "Extract a single frame or channel first."
            )
        if array.dtype.kind not in "iufb":
            raise InputError(f"{self.name} holds {array.dtype} values; a volume of plain numbers is needed.")
        if min(array.shape) < 2:
            raise InputError(
                f"{self.name} is {array.shape[0]} x {array.shape[1]} x {array.shape[2]} voxels; at least 2 along "
                "each axis are needed. A single slice cannot be segmented in 3-D."
            )
        with np.errstate(over="ignore"):  # what single precision cannot hold becomes infinite
            finite = array.dtype.kind != "f" or np.isfinite(array.astype(np.float32, copy=False))
        if not np.all(finite):
            bad = array.size - int(np.count_nonzero(finite))
            raise InputError(
                f"{self.name} holds {bad} values that are not finite (NaN or infinity); replace them before segmenting."
            )

    def _check_affine(self, affine: np.ndarray) -> None:
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise InputError(f"{self.name} has no valid 4x4 matrix from voxels to millimetres.")
        axes = affine[:3, :3]
        lengths = np.linalg.norm(axes, axis=0)
        if lengths.min() < 1e-6 or abs(np.linalg.det(axes / np.maximum(lengths, 1e-12))) < 1e-6:
            raise InputError(
                f"{self.name} has a matrix from voxels to millimetres that cannot be inverted; "
                "its header is damaged or its spacing is zero."
            )
        cosines = (axes / lengths).T @ (axes / lengths) - np.eye(3)
        if np.abs(cosines).max() > _SHEAR_TOLERANCE:
            angle = 90 - np.degrees(np.arccos(np.clip(np.abs(cosines).max(), 0, 1)))
            raise InputError(
                f"{self.name} is sheared: two of its axes are {angle:.1f} degrees off a right angle (a tilted "
                "gantry does this). Resample it onto a right-angled grid first."
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along (I, J, K)."""
        return self.array.shape

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres between voxels along (I, J, K)."""
        return tuple(float(x) for x in np.linalg.norm(self.affine[:3, :3], axis=0))

    @cached_property
    def content_hash(self) -> str:
        """Of intensities, place and modality; the same for the same content, whatever its name."""
        digest = blake2b(digest_size=16)
        digest.update(f"{self.array.dtype.str} {self.shape} {self.modality}".encode())
        digest.update(np.ascontiguousarray(self.affine).tobytes())
        digest.update(np.ascontiguousarray(self.array).data)
        return digest.hexdigest()

    @classmethod
    def read(cls, path: str | Path, modality: str | None = None) -> Volume:
        """A volume from NIfTI, NRRD, MetaImage or DICOM (a study's folder, or one file of a series).

        Of a study the series is chosen that `dicom_series.choose_series` says.

        Args:
            path: File or folder.
            modality: Overrides the DICOM tag and the guess.

        Raises:
            InputError: The file is missing, of an unknown kind, damaged, or no usable volume.
        """
        from .readers import read_volume

        return read_volume(Path(path), modality)
