"""Masks as their files hold them: one integer a voxel, or several layers whose structures may overlap."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

from SATSegmentLib.errors import InputError
from SATSegmentLib.imaging import Volume
from SATSegmentLib.imaging.volume import LPS_TO_RAS

from .case import Case, Label

_NIFTI = (".nii.gz", ".nii")
_ITK = (".nrrd", ".nhdr", ".mha", ".mhd")
MASK_ENDINGS = _NIFTI + _ITK
_SAME_PLACE = 0.1  # of a voxel; headers are rounded

Grid = tuple[tuple[int, int, int], np.ndarray]  # voxels along (I, J, K); indices to RAS millimetres, 4x4


def read_layers(case: Case) -> Grid:
    """The layers of a case's mask, on the image's grid.

    A mask that covers a part of the image (as 3D Slicer may save it) is placed there, with 0 around it; one whose
    axes run another way is turned; neither changes a voxel.

    Returns:
        Integers, axes (I, J, K, layer) of the image, and the image's affine, indices to RAS millimetres.

    Raises:
        InputError: A file cannot be read, is no mask, lacks a layer that a label names, or the mask's voxels do not
            coincide with the image's.
    """
    shape, affine = read_grid(case.image)
    layers, own = _read(case.mask, shape)
    lacking = max((label.layer for label in case.labels), default=0)
    if lacking >= layers.shape[3]:
        raise InputError(
            f"{case.mask} has {layers.shape[3]} layers, but a label of {case.id} is said to be in layer "
            f"{lacking + 1}; correct the case list."
        )
    return _placed(case, layers, own, shape, affine), affine


def read_grid(path: Path) -> Grid:
    """Voxels along (I, J, K) and affine of an image, from its header alone where its kind allows.

    Raises:
        InputError: The file is missing, damaged or of an unknown kind, or no image that a `Volume` can be.
    """
    name = path.name.lower()
    if not path.exists():
        raise InputError(f"There is no file {path}; correct the case list, or put the file there.")
    if name.endswith(_NIFTI):
        image = _load_nifti(path)
        shape, affine = image.shape[:3] if image.shape[3:] == (1,) else image.shape, image.affine
    elif name.endswith(_ITK):
        header = _itk_header(path)
        values = header.GetNumberOfComponents()
        shape, affine = (*header.GetSize(), *([values] if values > 1 else [])), _affine(header)
    else:
        volume = Volume.read(path)
        shape, affine = volume.shape, volume.affine
    # what shape and place may be is the volume's to say; its voxels are not read for that
    volume = Volume(np.broadcast_to(np.int16(0), shape), affine, "ct", str(path))
    return volume.shape, volume.affine


def layers_of(path: Path) -> int:
    """How many layers a mask's file holds, by its header.

    Raises:
        InputError: The file is missing, damaged or of an unknown kind.
    """
    if path.name.lower().endswith(_NIFTI):
        # the layers may be the first axis or the last; all but three axes of a mask are its layers
        shape = [n for n in _load_nifti(path).shape if n > 1]
        return 1 if len(shape) < 4 else min(shape[0], shape[-1])
    return _itk_header(path).GetNumberOfComponents()


def stem_of(path: Path) -> str:
    """A file's name without its ending, which may be a double one."""
    ending = next((ending for ending in MASK_ENDINGS if path.name.lower().endswith(ending)), path.suffix)
    return path.name[: len(path.name) - len(ending)].removesuffix(".seg")


def segments_of(path: Path) -> tuple[Label, ...]:
    """The segments that a .seg.nrrd file of 3D Slicer names, as labels; none for a file without segments.

    Raises:
        InputError: The file is damaged, or holds a fractional segmentation.
    """
    import slicerio

    try:
        header = slicerio.read_segmentation(str(path), skip_voxels=True)
    except Exception as error:  # pynrrd raises many kinds
        raise InputError(f"{path} cannot be read as a segmentation: {error}") from error
    if header.get("masterRepresentation") == "Fractional labelmap":
        raise InputError(f"{path} is a fractional segmentation; export it as a binary labelmap.")
    return tuple(
        Label(
            segment["name"], int(segment["labelValue"]), int(segment.get("layer", 0)), _code(segment.get("terminology"))
        )
        for segment in header.get("segments", ())
    )


def _code(terminology: dict | None) -> str:
    """Type, its modifier, region and the region's modifier, as `Label.code` wants them."""
    parts = ("type", "typeModifier", "anatomicRegion", "anatomicRegionModifier")
    return "~".join("^".join((terminology or {}).get(part, ())[:2]) for part in parts).rstrip("~")


def _read(path: Path, image_shape) -> Grid:
    """Layers (I, J, K, L) as integers and affine of a file."""
    if not path.exists():
        raise InputError(f"There is no file {path}; correct the case list, or put the file there.")
    if path.name.lower().endswith(_NIFTI):
        layers, affine = _read_nifti(path, image_shape)
    elif path.name.lower().endswith(_ITK):
        layers, affine = _read_itk(path)
    else:
        raise InputError(f"{path} is no mask that can be read; save it as .nii.gz, .nrrd, .seg.nrrd or .mha.")
    if layers.dtype.kind not in "biuf":
        raise InputError(f"{path} holds {layers.dtype} values, so it is no mask; give one with whole numbers.")
    if layers.dtype.kind == "b":
        layers = layers.view(np.uint8)
    if layers.dtype.kind == "f":
        layers = _whole_numbers(layers, path)
    return layers, affine


def _read_nifti(path: Path, image_shape) -> Grid:
    image = _load_nifti(path)
    try:
        scaled = image.dataobj.slope not in (None, 1) or image.dataobj.inter not in (None, 0)
        array = image.get_fdata(dtype=np.float32) if scaled else np.asarray(image.dataobj)
    except Exception as error:  # zlib and the file system raise many kinds
        raise InputError(f"{path} cannot be read as NIfTI: {error}") from error
    if array.ndim == 5 and array.shape[3] == 1:
        array = array[:, :, :, 0]  # NIfTI's place for several values a voxel
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4:
        raise InputError(f"{path} has {array.ndim} dimensions; a mask has 3, or 4 with one layer after the other.")
    if array.shape[1:] == tuple(image_shape) != array.shape[:3]:
        array = np.moveaxis(array, 0, 3)  # SAT-DS writes the layers first
    return array, image.affine


def _read_itk(path: Path) -> Grid:
    import SimpleITK as sitk

    affine = _affine(_itk_header(path))
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read: {str(error).strip().splitlines()[-1]}") from error
    array = sitk.GetArrayFromImage(image)
    if array.ndim == 3:
        array = array[..., None]
    return array.transpose(2, 1, 0, 3), affine


def _load_nifti(path: Path):
    import nibabel

    try:
        image = nibabel.load(path)
    except Exception as error:  # nibabel, zlib and the file system raise many kinds
        raise InputError(f"{path} cannot be read as NIfTI: {error}") from error
    if len(image.shape) < 3:
        raise InputError(f"{path} has {len(image.shape)} dimensions; a volume of 3 is needed.")
    return image


def _itk_header(path: Path):
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read: {str(error).strip().splitlines()[-1]}") from error
    if reader.GetDimension() != 3:
        raise InputError(f"{path} has {reader.GetDimension()} dimensions; a volume of 3 is needed.")
    return reader


def _affine(header) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = np.array(header.GetDirection()).reshape(3, 3) * np.array(header.GetSpacing())
    affine[:3, 3] = header.GetOrigin()
    return LPS_TO_RAS @ affine


def _whole_numbers(layers: np.ndarray, path: Path) -> np.ndarray:
    whole = np.rint(layers)
    if not np.isfinite(layers).all() or np.abs(whole - layers).max(initial=0) > 1e-3:
        raise InputError(f"{path} holds fractions, so it is no mask; give one with whole numbers, a structure each.")
    if np.abs(whole).max(initial=0) > np.iinfo(np.int32).max:
        raise InputError(
            f"{path} holds values of {np.abs(whole).max():.3g}, so it is no mask; give one with small ones."
        )
    return whole.astype(np.int32)


def _placed(case: Case, layers: np.ndarray, own: np.ndarray, shape, affine: np.ndarray) -> np.ndarray:
    """`layers` on the grid of the image."""
    to_image = np.linalg.solve(affine, own)
    turn, offset = np.rint(to_image[:3, :3]).astype(int), np.rint(to_image[:3, 3]).astype(int)
    corners = np.array(list(product(*((0, n - 1) for n in layers.shape[:3]))))
    moved = corners @ to_image[:3, :3].T + to_image[:3, 3] - (corners @ turn.T + offset)
    if (np.abs(turn).sum(0) != 1).any() or (np.abs(turn).sum(1) != 1).any() or np.abs(moved).max() > _SAME_PLACE:
        raise InputError(_off_grid(case, layers.shape, own, shape, affine))
    order = np.abs(turn).argmax(1)  # the mask's axis along each of the image's
    layers = layers.transpose(*order, 3)
    signs = turn[np.arange(3), order]
    layers = layers[tuple(slice(None, None, sign) for sign in signs)]
    first = np.where(signs > 0, offset, offset - np.array(layers.shape[:3]) + 1)
    if not first.any() and layers.shape[:3] == tuple(shape):
        return layers
    placed = np.zeros((*shape, layers.shape[3]), layers.dtype)
    start, stop = np.maximum(first, 0), np.minimum(first + layers.shape[:3], shape)
    if (stop > start).all():
        inside = tuple(slice(a - o, b - o) for a, b, o in zip(start, stop, first, strict=True))
        placed[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = layers[inside]
    return placed


def _off_grid(case: Case, mask_shape, own, shape, affine) -> str:
    def said(voxels, matrix) -> str:
        spacing = np.linalg.norm(matrix[:3, :3], axis=0)
        size = " x ".join(str(n) for n in voxels[:3])
        return f"{size} voxels of {' x '.join(f'{x:.4g}' for x in spacing)} mm from {_numbers(matrix[:3, 3])}"

    return (
        f"{case.id}: the mask is not on the image's grid: it has {said(mask_shape, own)}, the image "
        f"{said(shape, affine)} (RAS). Export it again with the image as reference, or resample it to the image by "
        "nearest neighbour."
    )


def _numbers(values) -> str:
    return f"({', '.join(f'{x:.4g}' for x in values)})"
