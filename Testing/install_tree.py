"""Lays out the extension as Slicer installs it: the files that CMake copies, in one folder for both modules.

python3 dev.py install-tree FOLDER
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("SATSegment", "SATTraining")


def files(module: str) -> list[str]:
    """What a module's CMakeLists.txt lists as scripts and resources, relative to its folder."""
    text = (ROOT / module / "CMakeLists.txt").read_text(encoding="utf-8")
    lists = [re.search(rf"set\(MODULE_PYTHON_{kind}\n(.*?)\)", text, re.DOTALL) for kind in ("SCRIPTS", "RESOURCES")]
    return [name for listed in lists for name in listed.group(1).split()]


def build(folder: Path) -> list[Path]:
    """Copies what the modules list into a new or empty folder; returns the files.

    Raises:
        FileExistsError: Two modules have a file of the same name, which in Slicer would overwrite each other, or the
            folder is not empty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty.")
    made = []
    for module in MODULES:
        for name in files(module):
            if (target := folder / name).exists():
                raise FileExistsError(f"{module} and another module both have {name}: rename one.")
            target.parent.mkdir(parents=True, exist_ok=True)
            made.append(Path(shutil.copy2(ROOT / module / name, target)))
    return made


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {Path(__file__).name} FOLDER")
    try:
        print(f"{len(build(Path(sys.argv[1])))} files in {sys.argv[1]}")
    except OSError as error:
        sys.exit(str(error))
