"""What is synthesised from what: one YAML or JSON file, every key checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from SATSegmentLib.errors import InputError

from ..cases.masks import MASK_ENDINGS, stem_of
from ..settings import check_whole_numbers, read_settings, refuse_unknown
from .bodies import KINDS


@dataclass(frozen=True)
class Source:
    """The label maps of one kind.

    Attributes:
        maps: A label map, or a folder of them; relative to the configuration's file.
        ct, mri: Volumes of each map.
    """

    maps: Path
    ct: int = 0
    mri: int = 0

    def __post_init__(self) -> None:
        check_whole_numbers(self, {"ct": 0, "mri": 0})

    @property
    def files(self) -> list[Path]:
        """The label maps, in order of their names."""
        if self.maps.is_file():
            return [self.maps]
        names = (path for path in self.maps.iterdir() if path.is_file() and not path.name.startswith("."))
        return sorted(path for path in names if path.name.lower().endswith(MASK_ENDINGS))


@dataclass(frozen=True)
class SynthesisConfig:
    """Label maps and how many volumes are made of each.

    Attributes:
        datasets: Kind of label maps (`bodies.KINDS`) to where they are and how many volumes of each are made.
        seed: Another one makes other volumes.
    """

    datasets: dict[str, Source]
    seed: int = 1

    def __post_init__(self) -> None:
        check_whole_numbers(self, {"seed": 0})

    @classmethod
    def read(cls, path: Path) -> SynthesisConfig:
        """A configuration from YAML or JSON, by the file's suffix.

        Raises:
            InputError: The file is missing or malformed, a key is unknown, a value bad, or there are no label maps.
        """
        values = read_settings(path)
        try:
            refuse_unknown(cls, values)
            datasets = values.get("datasets")
            if not isinstance(datasets, dict) or not datasets:
                raise InputError(f'"datasets" is missing: name kinds of label maps ({", ".join(KINDS)}).')
            sources = {kind: _source(kind, source, path.parent) for kind, source in datasets.items()}
            return cls(**{**values, "datasets": sources})
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


def _source(kind: str, values: object, folder: Path) -> Source:
    if kind not in KINDS:
        raise InputError(f'there are no label maps of the kind "{kind}"; choose one of {", ".join(KINDS)}.')
    of = f' of "{kind}"'
    refuse_unknown(Source, values, of)
    maps = values.get("maps")
    if not isinstance(maps, str) or not maps.strip():
        raise InputError(f'"maps"{of} must name a label map or a folder of them, not {maps!r}.')
    source = Source(**{**values, "maps": (folder / maps).absolute()})
    if not source.maps.exists():
        raise InputError(f'there is no {source.maps}; correct "maps"{of}.')
    if not source.files:
        raise InputError(f"there is no label map ({', '.join(MASK_ENDINGS)}) in {source.maps}; name another folder.")
    stems = [stem_of(file) for file in source.files]
    if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise InputError(f"{source.maps} holds two label maps called {twice[0]}; remove or rename one.")
    counts = {"ct": source.ct, "mri": source.mri}
    if not any(counts.values()):
        raise InputError(f'say how many volumes{of} to make of each map: "ct", "mri" or both.')
    for modality, count in counts.items():
        if count and modality not in KINDS[kind]:
            raise InputError(f'label maps{of} make no {modality.upper()}; remove "{modality}".')
    return source
