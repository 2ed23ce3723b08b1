"""What a segmentation says of how it was made."""

from __future__ import annotations

from .. import __version__


def made_by(model: str, largest: bool = False, holes: bool = False) -> dict[str, str]:
    """Metadata for `write_seg_nrrd`: version, model, and what cleaning was done to the masks, if any was."""
    cleaned = ", ".join(word for word, done in (("largest component", largest), ("holes filled", holes)) if done)
    return {"SlicerSAT_version": __version__, "SlicerSAT_model": model} | (
        {"SlicerSAT_cleaned": cleaned} if cleaned else {}
    )
