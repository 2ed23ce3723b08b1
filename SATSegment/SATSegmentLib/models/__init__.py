"""Which models there are, where their files are, and how they get here."""

from .registry import ModelInfo, find_model, list_models

__all__ = ["ModelInfo", "find_model", "list_models"]
