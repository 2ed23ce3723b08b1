"""The models there are, as the command line and the panel show them."""

from __future__ import annotations

from ..errors import ModelError
from .folder import read_terms
from .registry import ModelInfo, disk_use, list_models


def catalog() -> list[dict]:
    """One row a model.

    Returns:
        `name`, `title`, `note`; `state`: "built in", "installed", "downloaded" (all there, to be converted) or "not
        installed"; `modalities`; `megabytes` on disk, of a part of a download too, and `download_megabytes`, or None;
        `terms`: [[term, modality], ...] it was trained on; `terms_of_use`: the
        page that has them, or None.
    """
    return [
        {
            "name": model.name,
            "title": model.title,
            "state": _state(model),
            "modalities": list(model.modalities),
            "megabytes": round((disk_use(model.folder) + disk_use(model.downloads)) / 1e6, 1) or None,
            "download_megabytes": model.hub.download_mb if model.hub else None,
            "note": model.note,
            "terms": _terms(model) if model.installed else [],
            "terms_of_use": model.hub.terms if model.hub else None,
        }
        for model in list_models()
    ]


def _state(model: ModelInfo) -> str:
    if model.built_in:
        return "built in"
    if model.installed:
        return "installed"
    return "downloaded" if model.downloaded else "not installed"


def _terms(model: ModelInfo) -> list[list[str]]:
    try:
        return [[term.term, term.modality] for term in read_terms(model.folder)]
    except ModelError:  # it cannot be used either, which is said when it is
        return []
