"""The models there are, as the command line and the panel show them."""

from __future__ import annotations

from ..errors import ModelError
from .folder import read_terms
from .registry import ModelInfo, disk_use, list_models


def catalog() -> list[dict]:
    """One row a model.

    Returns:
        `name`, `title`, `note`; `state`: "built in", "installed" or "not installed"; `modalities`; `megabytes` on
        disk and `download_megabytes`, or None; `terms`: [[term, modality], ...] it was trained on; `terms_of_use`: the
        page that has them, or None.
    """
    return [
        {
            "name": model.name,
            "title": model.title,
            "state": "built in" if model.built_in else "installed" if model.installed else "not installed",
            "modalities": list(model.modalities),
            "megabytes": round(disk_use(model.folder) / 1e6, 1) if model.installed else None,
            "download_megabytes": model.hub.download_mb if model.hub else None,
            "note": model.note,
            "terms": _terms(model) if model.installed else [],
            "terms_of_use": model.hub.terms if model.hub else None,
        }
        for model in list_models()
    ]


def _terms(model: ModelInfo) -> list[list[str]]:
    try:
        return [[term.term, term.modality] for term in read_terms(model.folder)]
    except ModelError:  # it cannot be used either, which is said when it is
        return []
