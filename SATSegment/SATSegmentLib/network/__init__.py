"""SAT's network: U-Net, query decoder, text encoder, checkpoints.

Its names are imported when they are asked for: what only reads a model's configuration needs no PyTorch.
"""

from importlib import import_module

_PLACES = {"load_published": "checkpoints", "SATConfig": "config", "SAT": "sat", "EncodedImage": "sat"}

__all__ = ["SAT", "EncodedImage", "SATConfig", "load_published"]


def __getattr__(name: str):
    """A name of `__all__`, from its module."""
    if name in _PLACES:
        return getattr(import_module(f".{_PLACES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
