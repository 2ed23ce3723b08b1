"""Segments a real chest CT by text with the built-in model, and says what came of it.

The CT and its reference segmentation come with the slicerio package; the model has never seen them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import slicerio

from SATSegmentLib.cli import main as satsegment
from SATTrainingLib.evaluation.metrics import scores

TERMS = ["right lung", "left lung", "vertebrae", "spinal cord"]
REFERENCE = {  # term to the reference's names
    "right lung": ["right lung"],
    "left lung": ["left lung"],
    "vertebrae": ["cervical vertebral column", "thoracic vertebral column", "lumbar vertebral column"],
}


def main() -> int:
    """Runs the demo; returns the exit code of `satsegment segment`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    data = Path(slicerio.__file__).parent / "data"
    ct, segmentation, overview = data / "CTChest4.nrrd", folder / "CTChest4.seg.nrrd", folder / "CTChest4.png"
    arguments = ["segment", str(ct), "--terms", *TERMS, "--output", str(segmentation), "--overview", str(overview)]
    arguments += ["--table", str(folder / "CTChest4.csv"), "--overwrite"]
    print("satsegment", " ".join(f'"{a}"' if " " in a else a for a in arguments), "\n", flush=True)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = satsegment([*arguments, "--json"])
    if code:
        return code
    report = json.loads(printed.getvalue())
    dice = _dice(segmentation, data / "Segmentation.seg.nrrd")
    print(f"{'term':20} {'volume':>10}  {'confidence':>10}  {'Dice against the reference':>26}")
    for row in report["segments"]:
        score = f"{dice[row['name']]:.3f}" if row["name"] in dice else "no reference"
        confidence = f"{row['confidence']:.2f}" if row["voxels"] else "not found"
        print(f"{row['name']:20} {row['volume_ml']:7.1f} ml  {confidence:>10}  {score:>26}")
    seconds = report["seconds"]
    print(
        f"\n{seconds['encode']:.1f} s to encode the image once, {seconds['segment']:.2f} s for all {len(TERMS)} terms"
    )
    for path in report["outputs"].values():
        print(f"wrote {path}")
    return 0


def _dice(result: Path, reference: Path) -> dict[str, float]:
    """Dice of each term that the reference has."""
    found, wanted = (_masks(path) for path in (result, reference))
    any_spacing = (1, 1, 1)  # of no account for the first score
    return {
        term: scores(found[term], np.any([wanted[n] for n in names], 0), any_spacing)[0]
        for term, names in REFERENCE.items()
    }


def _masks(path: Path) -> dict:
    """Segment name to mask."""
    segmentation = slicerio.read_segmentation(str(path))
    voxels = segmentation["voxels"]
    return {
        segment["name"]: (voxels[segment["layer"]] if voxels.ndim == 4 else voxels) == segment["labelValue"]
        for segment in segmentation["segments"]
    }


if __name__ == "__main__":
    sys.exit(main())
