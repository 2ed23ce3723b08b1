"""Volumes from files: NIfTI by nibabel; NRRD, MetaImage and DICOM by SimpleITK."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from .modality import modality_of_dicom
from .volume import Volume

_NIFTI = (".nii", ".nii.gz")
_ITK = (".nrrd", ".nhdr", ".mha", ".mhd")
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_DICOM_MODALITY = "0008|0060"
_SAME_PLACE = 1e-3  # mm


def read_volume(path: Path, modality: str | None) -> Volume:
    """See `Volume.read`."""
    name = path.name.lower()
    if not path.exists():
        raise InputError(f"There is no file {path}.")
    if path.is_dir():
        return _read_dicom(path, modality)
    if name.endswith(_NIFTI):
        return _read_nifti(path, modality)
    if name.endswith(_ITK):
        return _from_itk(_read_itk(path), path.name, modality)
    if name.endswith(".dcm") or _has_dicom_preamble(path):
        return _read_dicom(path, modality)
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


def _read_itk(path: Path | list[str]):
    import SimpleITK as sitk

    try:
        return sitk.ReadImage(path if isinstance(path, list) else str(path))
    except RuntimeError as error:
        shown = path[0] if isinstance(path, list) else path
        raise InputError(f"{shown} cannot be read: {str(error).strip().splitlines()[-1]}") from error


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
    return Volume(sitk.GetArrayFromImage(image).transpose(2, 1, 0), _LPS_TO_RAS @ affine, modality, name)


def _read_dicom(path: Path, modality: str | None) -> Volume:
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # what matters is said below
    folder = path if path.is_dir() else path.parent
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    files_of = {uid: list(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid)) for uid in series}
    if path.is_file():
        files_of = {uid: files for uid, files in files_of.items() if path.resolve() in map(_resolve, files)}
    if not files_of:
        raise InputError(f"There is no DICOM series in {folder}.")
    if len(files_of) > 1:
        raise InputError(
            f"{folder} holds {len(files_of)} DICOM series; give a folder with one, or one file of the series wanted, "
            f"such as {next(iter(files_of.values()))[0]}."
        )
    (files,) = files_of.values()
    if modality is None:
        modality = _dicom_modality(files[0])
    image = _read_itk(files if len(files) > 1 else [files[0]])
    _check_slices(files, folder)
    return _from_itk(image, path.name, modality)


def _resolve(file: str) -> Path:
    return Path(file).resolve()


def _dicom_header(file: str):
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(file)
    reader.ReadImageInformation()
    return reader


def _dicom_modality(file: str) -> str | None:
    header = _dicom_header(file)
    return modality_of_dicom(header.GetMetaData(_DICOM_MODALITY)) if header.HasMetaDataKey(_DICOM_MODALITY) else None


def _check_slices(files: list[str], folder: Path) -> None:
    """Refuses a series whose slices are unevenly spaced or sheared: ITK would place its voxels wrongly."""
    if len(files) < 2:
        return
    headers = [_dicom_header(file) for file in files]
    origins = np.array([header.GetOrigin() for header in headers])
    steps = np.diff(origins, axis=0)
    distances = np.linalg.norm(steps, axis=1)
    usual = float(np.median(distances))
    if usual < _SAME_PLACE:
        raise InputError(
            f"The DICOM series in {folder} has several slices at one position, as a series over time does; "
            "export one time point."
        )
    if np.abs(distances - usual).max() > 0.1 * usual:
        where = int(np.abs(distances - usual).argmax())
        raise InputError(
            f"The DICOM series in {folder} has slices {distances[where]:.2f} mm apart after slice {where + 1} where "
            f"{usual:.2f} mm is usual: slices are missing, doubled or uneven. Export the complete series, or "
            "resample it."
        )
    normal = np.array(headers[0].GetDirection()).reshape(3, 3)[:, 2]
    mean = steps.mean(0)
    tilt = np.degrees(np.arccos(np.clip(abs(mean @ normal) / np.linalg.norm(mean), 0, 1)))
    if tilt > 0.6:
        raise InputError(
            f"The DICOM series in {folder} was taken with a gantry tilted by {tilt:.1f} degrees; "
            "resample it onto a right-angled grid first (3D Slicer offers this on import)."
        )


def _has_dicom_preamble(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
