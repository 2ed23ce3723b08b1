"""Which series of a DICOM study is segmented."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .dicom_geometry import Slice, Stack, slices_of, stack
from .modality import modality_of_dicom

if TYPE_CHECKING:
    from pydicom import Dataset

_MODALITIES = ("CT", "MR", "PT")
_TAGS = [
    *("SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality", "ImageType"),
    *("Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "RescaleSlope", "RescaleIntercept"),
    *("BitsStored", "PixelRepresentation", "PhotometricInterpretation"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
]
_FRAMES = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")  # looked into where needed only
_NUMBERS = ("SeriesNumber", "Rows", "Columns", "SamplesPerPixel", "NumberOfFrames")
_SUFFIXES = (".dcm", ".ima")  # of files that may lack the mark by which DICOM files are known
_SCOUT = re.compile(r"scout|pilot|locali[sz]er|topogram|surview|survey|scanogram|3[- ]?plane", re.IGNORECASE)
_PROJECTIONS = {"PROJECTION IMAGE", "MIP", "MINIP", "MNIP", "MAX_IP", "MIN_IP", "MPR", "REFORMATTED", "CSA MPR"}
_AXIAL = 0.7  # cosine between the slices' normal and the body's axis
_NAMED = 6  # series left out that the reason names


@dataclass(frozen=True, eq=False)
class Series:
    """Slices that may make a volume: of one DICOM series, of one direction, size and spacing.

    Attributes:
        files: Of each slice; a multi-frame file alone.
        headers: Of each file, without pixels.
        slices: Where they lie; none where the files do not tell.
    """

    files: tuple[Path, ...]
    headers: tuple[Dataset, ...]
    slices: tuple[Slice, ...]

    @property
    def modality(self) -> str:
        """As DICOM writes it."""
        return str(self.headers[0].get("Modality", ""))

    @property
    def description(self) -> str:
        return str(self.headers[0].get("SeriesDescription", "") or "").strip()

    @property
    def title(self) -> str:
        """Number and description, such as `3 "Thorax 1.0"`."""
        number = self.headers[0].get("SeriesNumber")
        words = [] if number is None else [str(number)]
        if self.description:
            words.append(f'"{self.description}"')
        return " ".join(words) or "without a name"

    @cached_property
    def stack(self) -> Stack:
        """Its grid.

        Raises:
            InputError: It makes no volume.
        """
        return stack(self.slices, f"The DICOM series {self.title}")

    @cached_property
    def problem(self) -> InputError | None:
        """Why it cannot be segmented, if so."""
        in_color = self.headers[0].get("SamplesPerPixel") not in (1, None)
        if self.modality not in _MODALITIES or not self.slices or in_color:
            return InputError(f"The DICOM series {self.title} holds no CT, MR or PET slices with their place.")
        try:
            _ = self.stack
        except InputError as error:
            return error
        return None

    @property
    def lies_axially(self) -> bool:
        return bool(self.slices) and abs(self.slices[0].normal[2]) > _AXIAL

    @property
    def _is_scout(self) -> bool:
        return "LOCALIZER" in self._image_type or bool(_SCOUT.search(self.description))

    @property
    def _image_type(self) -> set[str]:
        value = self.headers[0].get("ImageType") or ()
        return {value.upper()} if isinstance(value, str) else {str(word).upper() for word in value}

    def merits(self, modality: str | None) -> tuple[tuple[object, str], ...]:
        """What speaks for it, the weightiest first, and what is said of a series that has less of it."""
        number = self.headers[0].get("SeriesNumber")
        columns, rows = self.slices[0].size if self.slices else (0, 0)
        return (
            (self.modality in _MODALITIES and bool(self.slices), "no CT, MR or PET slices"),
            (not self._is_scout, "scout image"),
            (self.problem is None, "slices that make no volume"),
            (modality in (None, modality_of_dicom(self.modality)), "another modality than asked for"),
            (not self._image_type & _PROJECTIONS, "reformatted"),
            (self.modality != "PT", "PET"),
            (self.lies_axially or self.modality == "MR", "not axial"),
            (len(self.slices), "fewer slices"),
            (columns * rows, "fewer pixels"),
            (-int(number) if number is not None else float("-inf"), "later number"),
        )


@dataclass(frozen=True, eq=False)
class ChosenSeries:
    """The series of a folder that is segmented.

    Attributes:
        series: The one chosen.
        reason: A sentence on what was chosen of what, and why; empty where there was no choice.
        others: The series left out, and a few words why.
    """

    series: Series
    reason: str
    others: tuple[tuple[Series, str], ...]


def choose_series(path: Path, modality: str | None = None) -> ChosenSeries:
    """The series to segment: no scout image nor reformatted one, CT or MR before PET, axial, of most slices.

    Args:
        path: A folder, searched with the folders in it, or one file of the series wanted.
        modality: "ct", "mri" or "pet": series of it are preferred.

    Raises:
        InputError: There is no DICOM series, or none that makes a volume.
    """
    if path.is_file():
        wanted = _header(path)
        uid = wanted.get("SeriesInstanceUID") if wanted is not None else None
        found = [one for one in _series(path.parent.iterdir()) if one.headers[0].get("SeriesInstanceUID") == uid]
        found.sort(key=lambda one: path in one.files, reverse=True)
        candidates = found[:1]
    else:
        candidates = _series(path.rglob("*"))
    if not candidates:
        raise InputError(f"There is no DICOM series in {path}; give the folder that holds the scan's files.")
    candidates.sort(key=lambda one: [merit for merit, _ in one.merits(modality)], reverse=True)
    best, *rest = candidates
    if best.problem is not None:
        raise best.problem
    merits = best.merits(modality)
    others = tuple((one, _drawback(merits, one.merits(modality))) for one in rest)
    return ChosenSeries(best, _reason(path, best, others), others)


def _drawback(best: tuple, other: tuple) -> str:
    """The weightiest merit that the best has more of."""
    words = (words for (more, _), (less, words) in zip(best, other, strict=True) if more > less)
    return next(words, "the same in all that counts")


def _reason(path: Path, best: Series, others: tuple[tuple[Series, str], ...]) -> str:
    if not others:
        return ""
    columns, rows = best.slices[0].size
    axial = "axial " if best.lies_axially else ""
    left = [f"{one.title} ({words})" for one, words in others[:_NAMED]]
    if len(others) > _NAMED:
        left.append(f"{len(others) - _NAMED} more")
    return (
        f"Of {len(others) + 1} DICOM series in {path}, {best.title} is taken ({best.modality}, {len(best.slices)} "
        f"{axial}slices of {columns} x {rows}), not {', '.join(left)}; to take another, give one of its files."
    )


def _series(paths: Iterable[Path]) -> list[Series]:
    """The series of all files that are DICOM images; a copy of an image is left out."""
    found: dict[str, list[list[_Image]]] = defaultdict(list)
    seen = set()
    for path in sorted(paths):
        header = _header(path)
        if header is None:
            continue
        image = _Image(path, header, slices_of(header) if header.get("Modality") in _MODALITIES else [])
        identity = (header.SOPInstanceUID, *(tuple(place.origin) for place in image.slices))
        if identity in seen:
            continue
        seen.add(identity)
        groups = found[str(header.SeriesInstanceUID)]
        group = next((group for group in groups if image.is_of_the_grid_of(group[0])), None)
        if group is None:
            groups.append([image])
        else:
            group.append(image)
    return [
        Series(
            tuple(image.path for image in group),
            tuple(image.header for image in group),
            tuple(place for image in group for place in image.slices),
        )
        for groups in found.values()
        for group in groups
    ]


@dataclass(frozen=True, eq=False)
class _Image:
    """One file; its slices are many where it is multi-frame, none where they have no place."""

    path: Path
    header: Dataset
    slices: list[Slice]

    def is_of_the_grid_of(self, other: _Image) -> bool:
        if any((one.header.get("NumberOfFrames") or 1) > 1 for one in (self, other)):
            return False
        if not self.slices or not other.slices:
            return not self.slices and not other.slices
        return self.slices[0].is_like(other.slices[0])


def is_marked(path: Path) -> bool:
    """Whether a file has the mark by which DICOM files are known (PS3.10, 7.1).

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _header(path: Path) -> Dataset | None:
    """What is needed of a DICOM image's header, or None for another file; values that make no sense are left out."""
    import pydicom

    try:
        if not path.is_file():
            return None
        marked = is_marked(path)
        if not marked and path.suffix.lower() not in _SUFFIXES:
            return None
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[*_TAGS, *_FRAMES], force=not marked)
    except Exception:  # pydicom raises many kinds on files that are damaged or no DICOM
        return None
    for name in _TAGS:
        try:
            value = header.get(name)
            if name in _NUMBERS and value is not None:
                int(value)
        except Exception:  # as many kinds on numbers that are none
            delattr(header, name)
    return header if header.get("SOPInstanceUID") and header.get("SeriesInstanceUID") else None
