"""Where what was prepared for trainings is kept for the next one."""

from __future__ import annotations

from pathlib import Path

from SATSegmentLib.models.registry import data_folder


def cases_cache() -> Path:
    """Of cases on a network's grid (`data.cache`)."""
    return data_folder() / "cache" / "cases"


def texts_cache() -> Path:
    """Of what frozen transformers say of texts (`knowledge.means`)."""
    return data_folder() / "cache" / "texts"
