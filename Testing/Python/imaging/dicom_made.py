"""DICOM series made from volumes, as scanners and viewers write them."""

from __future__ import annotations

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import format_number_as_ds

LPS = np.diag([-1.0, -1, 1, 1])
_PATIENT = {
    "PatientName": "Müller^Max",
    "PatientID": "17",
    "PatientBirthDate": "",
    "PatientSex": "O",
    "StudyDate": "20240131",
    "StudyTime": "120000",
    "StudyID": "1",
    "AccessionNumber": "",
    "ReferringPhysicianName": "",
    "Manufacturer": "Maker",
    "PositionReferenceIndicator": "",
}


def write_series(folder, volume, tilt=0.0, missing=(), study="1.2.3", frame="1.2.3.9", **attributes):
    """Writes a CT series of one file a slice, in no order; returns the files by slice.

    Args:
        folder: Made where it does not exist.
        volume: Slices along K.
        tilt: Millimetres along the columns by which a gantry shifts slices, a millimetre of height.
        missing: Slices that are not written.
        study, frame: UIDs of the study and the frame of reference.
        attributes: Further DICOM attributes, or other values; a function is called with the slice's number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lps = LPS @ volume.affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    axes = lps[:3, :3] / spacing
    series = generate_uid()
    already = len(list(folder.iterdir()))
    files = []
    for k, number in enumerate(np.random.default_rng(already).permutation(volume.shape[2])):
        origin = (lps @ (0, 0, k, 1))[:3] + axes[:, 1] * tilt * k * spacing[2]
        image = _image(volume.array[:, :, k].T)
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, series, frame
        image.SeriesNumber, image.InstanceNumber = 3, k + 1
        image.PixelSpacing = _numbers(spacing[[1, 0]])
        image.SliceThickness = _numbers(spacing[[2]])[0]
        image.ImageOrientationPatient = _numbers((*axes[:, 0], *axes[:, 1]))
        image.ImagePositionPatient = _numbers(origin)
        for name, value in attributes.items():
            setattr(image, name, value(k) if callable(value) else value)
        files.append(folder / f"{already}-{number:03}.dcm")
        if k not in missing:
            image.save_as(files[-1], enforce_file_format=True)
    return files


def _image(pixels: np.ndarray) -> Dataset:
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SpecificCharacterSet = "ISO_IR 100"
    image.SOPClassUID = CTImageStorage
    image.SOPInstanceUID = generate_uid()
    for name, value in _PATIENT.items():
        setattr(image, name, value)
    image.Modality = "CT"
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.Rows, image.Columns = pixels.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 1
    image.RescaleSlope, image.RescaleIntercept = 1, 0
    image.PixelData = np.ascontiguousarray(pixels.astype("<i2")).tobytes()
    return image


def write_multiframe(file, volume, **attributes):
    """Writes an Enhanced CT image of a volume's slices, its frames from top to bottom."""
    sources = [pydicom.dcmread(one) for one in write_series(file.parent / "frames", volume)][::-1]
    image = _image(volume.array[:, :, 0].T)
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SeriesNumber", "InstanceNumber"):
        image[name] = sources[0][name]
    image.SOPClassUID = pydicom.uid.EnhancedCTImageStorage
    image.NumberOfFrames = len(sources)
    del image.RescaleSlope, image.RescaleIntercept
    image.SharedFunctionalGroupsSequence = [
        _item(
            PlaneOrientationSequence=[_item(ImageOrientationPatient=sources[0].ImageOrientationPatient)],
            PixelMeasuresSequence=[_item(PixelSpacing=sources[0].PixelSpacing, SliceThickness="3")],
            PixelValueTransformationSequence=[_item(RescaleSlope=2, RescaleIntercept=-100, RescaleType="HU")],
        )
    ]
    image.PerFrameFunctionalGroupsSequence = [
        _item(PlanePositionSequence=[_item(ImagePositionPatient=one.ImagePositionPatient)]) for one in sources
    ]
    image.PixelData = b"".join(one.PixelData for one in sources)
    for name, value in attributes.items():
        setattr(image, name, value)
    for one in (file.parent / "frames").iterdir():
        one.unlink()
    image.save_as(file, enforce_file_format=True)


def _item(**values) -> Dataset:
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item


def _numbers(values) -> list[str]:
    return [format_number_as_ds(round(float(value), 9)) for value in values]
