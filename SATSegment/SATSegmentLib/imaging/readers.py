"""Volumes from files: NIfTI by nibabel; NRRD and MetaImage by SimpleITK; DICOM."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from .dicom import read_dicom
from .dicom_series import is_marked
from .volume import LPS_TO_RAS, Volume

_NIFTI = (".nii", ".nii.gz")
_ITK = (".nrrd", ".nhdr", ".mha", ".mhd")


def read_volume(path: Path, modality: str | None) -> Volume:
    """See `Volume.read`."""
    name = path.name.lower()
    if not path.exists():
        raise InputError(f"There is no file {path}.")
    if path.is_dir():
        return read_dicom(path, modality)
    if name.endswith(_NIFTI):
        return _read_nifti(path, modality)
    if name.endswith(_ITK):
        return _from_itk(_read_itk(path), path.name, modality)
    if name.endswith(".dcm") or _has_dicom_preamble(path):
        return read_dicom(path, modality)
    raise InputError(
        f"{path} is of no kind that can be read: NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr), "
        "MetaImage (.mha, .mhd) or a DICOM series (a folder, or one of its files)."
    )


def _read_nifti(path: Path, modality: str | None) -> Volume:
    import nibabel

    try:
        image = nibabel.load(path)
        scaled = image.dataobj.slope not in (None, 1) or image.dataobj.inter not in (None, 0)
        array = image.get_fdata(dtype=np.float32) if scaled else np.asarray(image.dataobj)
    except Exception as error:  # nibabel, zlib and the file system raise many kinds
        raise InputError(f"{path} cannot be read as NIfTI: {error}") from error
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    return Volume(array, image.affine, modality, path.name)


def _read_itk(path: Path):
    import SimpleITK as sitk

    try:
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read: {str(error).strip().splitlines()[-1]}") from error


def _from_itk(image, name: str, modality: str | None) -> Volume:
    import SimpleITK as sitk

    if image.GetNumberOfComponentsPerPixel() > 1:
        raise InputError(
            f"{name} has {image.GetNumberOfComponentsPerPixel()} values a voxel; SAT segments a scalar volume. "
            "Extract one channel or frame first."
        )
    if image.GetDimension() != 3:
        raise InputError(f"{name} has {image.GetDimension()} dimensions; SAT segments one 3-D volume.")
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return Volume(sitk.GetArrayFromImage(image).transpose(2, 1, 0), LPS_TO_RAS @ affine, modality, name)


def _has_dicom_preamble(path: Path) -> bool:
    try:
        return is_marked(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
