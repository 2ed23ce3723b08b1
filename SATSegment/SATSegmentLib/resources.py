"""Files shipped with the extension."""

from pathlib import Path

_HERE = Path(__file__).resolve().parent


def resource(*parts: str) -> Path:
    """A file or folder of `Resources/`, beside the library in Slicer and in a checkout, inside it where
    pip installed it."""
    inside = _HERE / "Resources"
    return (inside if inside.is_dir() else _HERE.parent / "Resources").joinpath(*parts)
