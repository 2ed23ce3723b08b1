"""What all cases of a batch have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..models.download import sha256_of
from ..models.folder import CONFIG
from ..models.registry import ModelInfo

CASES_AT_ONCE = 2  # a worker: one for the network, one to be read or written meanwhile


@dataclass(frozen=True)
class Settings:
    """How scans are segmented; sent to every worker.

    Attributes:
        terms: As the user gave them, from `anatomy.prompts.clean_terms`.
        model: Its name, or its folder.
        model_hash: Of what its `model.json` says, the hashes of its files among them.
        output: The folder of the results.
        version: Of SlicerSAT.
        device, precision: As of `inference.Predictor`.
        skip_air: As of `Predictor.set_image`.
        largest_component, fill_holes: As of `output.cleaning.clean`.
        radiomics: Whether to measure these too.
        processes: Workers that share one machine's memory and cores.
        threads: Of each; 0 for its share of the cores.
    """

    terms: tuple[str, ...]
    model: str
    model_hash: str
    output: Path
    version: str
    device: str = "auto"
    precision: str = "auto"
    skip_air: bool = False
    largest_component: bool = False
    fill_holes: bool = False
    radiomics: bool = False
    processes: int = 1
    threads: int = 0

    def fingerprint(self, modality: str | None) -> dict:
        """What a result depends on besides the scan; `modality` is the one given for the case."""
        return {
            "terms": list(self.terms),
            "model": self.model_hash,
            "modality": modality,
            "precision": self.precision,
            "skip_air": self.skip_air,
            "largest_component": self.largest_component,
            "fill_holes": self.fill_holes,
            "radiomics": self.radiomics,
            "version": self.version,
        }


def model_hash(model: ModelInfo) -> str:
    """Of an installed model: of what its `model.json` says, and so of all its files."""
    return sha256_of(model.folder / CONFIG)
