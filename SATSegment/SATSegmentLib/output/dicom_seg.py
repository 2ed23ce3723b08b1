"""Segmentations as DICOM SEG, on the slices that were segmented."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from .. import __version__
from ..anatomy.codes import Code
from ..errors import InputError, SATError
from ..imaging.dicom_geometry import Slice, places_on_grid, slices_of
from ..imaging.mask import Mask
from ..imaging.volume import Volume
from .atomic import written
from .segment import Segment

_LONGEST = 64  # characters of DICOM's LO
_MAY_BE_EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
)
_SERIES_NUMBERS = 1000  # added to the source's, so that the result is listed after it

AUTOMATIC, SEMIAUTOMATIC, MANUAL = ALGORITHM_TYPES = "AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"
SAT = "SAT"  # the name of our own algorithm
# Of a segment in Slicer: where what writes DICOM SEG reads how it was made
ALGORITHM_TYPE_TAG = "DICOM.SegmentAlgorithmType"
ALGORITHM_NAME_TAG = "DICOM.SegmentAlgorithmName"


@dataclass(frozen=True)
class Origin:
    """How a segment was made.

    Attributes:
        type: DICOM's Segment Algorithm Type, one of `ALGORITHM_TYPES`.
        algorithm: Its name; of `SAT` all is told.
    """

    type: str = AUTOMATIC
    algorithm: str = SAT


def check_dicom_seg(volume: Volume) -> None:
    """Refuses a volume of which no DICOM SEG can be written, before any work starts.

    Raises:
        InputError: It was not made of DICOM images.
    """
    if volume.source is None:
        raise InputError(
            f"{volume.name} was not read from DICOM, so there is no patient and study that a DICOM SEG could refer "
            "to; give the scan's DICOM folder, or write .seg.nrrd."
        )


def write_dicom_seg(
    path: Path,
    volume: Volume,
    segments: list[Segment],
    made_by: dict[str, str] | None = None,
    origins: list[Origin] | None = None,
) -> None:
    """Writes segments, which may overlap, with their codes and colours and references to the source's images.

    Each frame is one source image's own pixels. Segments without voxels there are left out, as DICOM has no
    empty ones; so is what lies on a slice that was missing in the source.

    Args:
        path: A name that ends in .dcm.
        volume: The volume that was segmented, with its `source`.
        segments: One of them at least has voxels.
        made_by: What made them, e.g. {"SlicerSAT_model": "sat-nano"}; kept as the algorithm's parameters.
        origins: Of each segment; all are SAT's unless given.

    Raises:
        InputError: The volume is not on the slices of DICOM images that are there, or these lack what DICOM asks for.
        SATError: No segment has voxels, or the file cannot be written.
    """
    check_dicom_seg(volume)
    if any(path.exists() and path.samefile(file) for file in volume.source.files if file.exists()):
        raise InputError(f"{path} is one of the images of {volume.name}; give another name.")
    images = _images(volume)
    slices = [one for image in images for one in slices_of(image)]
    places = places_on_grid(slices, volume.affine, volume.shape)
    reached = [place is not None for place in places]
    if not any(reached):
        raise InputError(f"{volume.name} does not lie where its DICOM images do; load both again.")
    masks = [_on_slices(segment.mask, places, slices[0].size) for segment in segments]
    found = [number for number, mask in enumerate(masks) if mask.voxels]
    if not found:
        raise SATError(f"{path} was not written: nothing was found, and a DICOM SEG cannot be empty.")
    with written(path) as temporary:
        pixels = _pixels([masks[number] for number in found], path.parent)
        try:
            made = origins or [Origin()] * len(segments)
            described = [(segments[number], made[number]) for number in found]
            segmentation = _segmentation(images, pixels, described, made_by or {})
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # highdicom's, of headers that break rules
            raise SATError(
                f"{path} was not written, as the DICOM files of {volume.name} break a rule of DICOM ({error}); "
                "write .seg.nrrd."
            ) from error
        segmentation.save_as(temporary)


def source_slices(volume: Volume) -> list[Slice]:
    """The slices of the DICOM images that a volume was made of.

    Raises:
        InputError: Their files cannot be read.
    """
    return [one for image in _images(volume) for one in slices_of(image)]


def _images(volume: Volume) -> list:
    """The source's images without pixels."""
    import pydicom

    images = []
    for file in volume.source.files:
        try:
            images.append(pydicom.dcmread(file, stop_before_pixels=True, force=True))
        except (OSError, pydicom.errors.InvalidDicomError) as error:
            raise InputError(f"{file}, a slice of {volume.name}, cannot be read any more; bring it back.") from error
    for name in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"):
        if not all(image.get(name) for image in images):
            raise InputError(
                f"The DICOM files of {volume.name} have no {name}, without which a DICOM SEG cannot refer to them; "
                "write .seg.nrrd."
            )
    if len({image.SOPInstanceUID for image in images}) < len(images):
        raise InputError(
            f"Several DICOM files of {volume.name} have one SOPInstanceUID, so a DICOM SEG cannot refer to them; "
            "write .seg.nrrd."
        )
    for image in images:
        _complete(image, float(np.linalg.norm(volume.affine[:3, 2])))
    return images


def _complete(image, distance: float) -> None:
    """Leaves empty what a segmentation copies and DICOM lets be empty, where it was taken out or spoilt."""
    from pydicom.valuerep import DA, TM

    for name in _MAY_BE_EMPTY:
        kind = DA if name.endswith("Date") else TM if name.endswith("Time") else str
        try:
            kind(image[name].value)
        except (KeyError, ValueError):
            setattr(image, name, "")
    if "PerFrameFunctionalGroupsSequence" not in image and not image.get("SliceThickness"):
        image.SliceThickness = round(distance, 6)


def _on_slices(mask: Mask, places: list[tuple[int, int, int] | None], size: tuple[int, int]) -> Mask:
    """A mask of the volume's grid as one of the source's pixels, axes (slice, row, column)."""
    array = np.zeros((len(places), *size[::-1]), bool)
    for number, place in enumerate(places):
        if place is None or not 0 <= place[2] - mask.start[2] < mask.block.shape[2]:
            continue
        plane = mask.block[:, :, place[2] - mask.start[2]].T
        first = np.array([mask.start[1] - place[1], mask.start[0] - place[0]])  # row and column
        start, stop = np.maximum(first, 0), np.minimum(first + plane.shape, size[::-1])
        if (stop > start).all():
            inside = tuple(slice(a, b) for a, b in zip(start - first, stop - first, strict=True))
            array[(number, *(slice(a, b) for a, b in zip(start, stop, strict=True)))] = plane[inside]
    return Mask.of(array)


def _segmentation(images: list, pixels: np.ndarray, segments: list[tuple[Segment, Origin]], made_by: dict[str, str]):
    """The dataset of segments that each have voxels, `pixels` as of `_pixels`."""
    import highdicom
    from pydicom.sr.codedict import codes

    model = made_by.get("SlicerSAT_model", "")
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name="SAT",
        family=codes.DCM.ArtificialIntelligence,
        version=__version__,
        source="SlicerSAT",
        parameters=made_by or None,
    )
    return highdicom.seg.Segmentation(
        source_images=images,
        pixel_array=pixels,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_described(number, *one, algorithm) for number, one in enumerate(segments, 1)],
        series_instance_uid=highdicom.UID(),
        series_number=_SERIES_NUMBERS + int(images[0].get("SeriesNumber") or 0),
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="SlicerSAT",
        manufacturer_model_name=_line(f"SAT {model}"),
        software_versions=__version__,
        device_serial_number="none",
        content_label="SAT",
        content_description=_line(f"Segmentation by SAT {model}"),
        series_description=_line(f"Segmentation by SAT {model}"),
        specific_character_set="ISO_IR 192",  # UTF-8
    )


def _pixels(masks: list[Mask], folder: Path) -> np.ndarray:
    """Labels 1, 2, ..., axes (slice, row, column), or with a last axis for segments that overlap."""
    if not any(one.overlaps(other) for one, other in combinations(masks, 2)):
        labels = np.zeros(masks[0].shape, np.uint8 if len(masks) <= 255 else np.uint16)
        for number, mask in enumerate(masks, 1):
            labels[mask.slices][mask.block] = number
        return labels
    # A hundred segments of a whole body are more than memory holds; a file's pages that stay zero take nothing. The
    # system's folder of temporary files may be memory itself
    with tempfile.TemporaryFile(dir=folder) as file:
        pixels = np.memmap(file, bool, "w+", shape=(len(masks), *masks[0].shape))
    for number, mask in enumerate(masks):
        pixels[(number, *mask.slices)] = mask.block
    return pixels.transpose(1, 2, 3, 0)


def _described(number: int, segment: Segment, origin: Origin, algorithm):
    import highdicom

    entry = segment.entry
    ours = origin.type != MANUAL and origin.algorithm == SAT
    described = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=_line(segment.name) or f"Segment {number}",
        segmented_property_category=_coded(entry.category),
        segmented_property_type=_coded(entry.type),
        algorithm_type=origin.type if ours else MANUAL,
        algorithm_identification=algorithm if ours else None,
        anatomic_regions=[_coded(entry.region)] if entry.region else None,
        display_color=highdicom.color.CIELabColor.from_rgb(*entry.color),
    )
    if origin.type != MANUAL and not ours:  # of which only the name is known, where highdicom wants more
        described.SegmentAlgorithmType = origin.type
        described.SegmentAlgorithmName = _line(origin.algorithm) or "unknown"
    if entry.modifier:
        kind = described.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [_coded(entry.modifier)]
    if entry.region and entry.region_modifier:
        described.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [_coded(entry.region_modifier)]
    return described


def _coded(code: Code):
    import highdicom

    return highdicom.sr.CodedConcept(code.value, code.scheme, _line(code.meaning) or code.value)


def _line(text: str) -> str:
    """`text` as DICOM's LO takes it."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text.replace("\\", "/"))
    return " ".join(plain.split())[:_LONGEST].rstrip()
