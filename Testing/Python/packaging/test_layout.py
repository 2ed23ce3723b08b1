"""What keeps the house in order: files listed, arrows one way, nothing heavy at import."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODULES = {"SATSegment": "SATSegmentLib", "SATTraining": "SATTrainingLib"}
SLICER = {"slicer", "vtk", "qt", "ctk"}
IN_SLICER = ("mrml", "widgets")  # packages that may import them
NOT_IN_SLICER = {
    *("torch", "transformers", "tokenizers", "safetensors", "monai", "matplotlib", "nibabel", "networkx"),
    *("platformdirs", "psutil", "rapidfuzz", "slicerio", "tqdm", "highdicom", "distributed", "cryptography"),
}

# Which packages of SATSegmentLib may import which; a package may always import itself and the modules
# beside the packages.
ARROWS = {
    "anatomy": set(),
    "imaging": set(),
    "network": {"imaging"},
    "models": {"network", "imaging", "anatomy", "output"},
    "worker": {"inference", "models", "network", "imaging"},
    "batch": {"worker", "inference", "models", "output", "imaging", "anatomy"},
    "mrml": {"worker", "output", "imaging", "anatomy"},
    "widgets": {"mrml", "batch", "worker", "models", "output", "imaging", "anatomy"},
    "inference": {"network", "imaging"},
    "output": {"imaging", "anatomy"},
}
# The same of SATTrainingLib.
TRAINING_ARROWS = {
    "cases": set(),
    "data": {"cases"},
    "evaluation": {"cases"},
    "training": {"cases", "data", "evaluation"},
    "export": {"cases", "data", "training"},
    "knowledge": {"cases", "data", "training"},
    "synthesis": {"cases"},
    "launch": {"cases", "data", "training"},
    "mrml": {"cases"},
    "widgets": {"mrml", "launch", "cases", "training"},
}


def _sources(module):
    return sorted((ROOT / module / MODULES[module]).rglob("*.py"))


def _imports(path):
    """Absolute names of what a file imports, such as "SATSegmentLib.imaging.grid"."""
    package = path.relative_to(ROOT).parts[1:-1]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, node.module) if node.module else base)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", MODULES)
def test_every_file_is_listed_for_cmake_and_every_listed_file_is_there(module):
    folder = ROOT / module
    text = (folder / "CMakeLists.txt").read_text()
    listed = re.findall(rf"^  ((?:{MODULES[module]}|Resources)/\S+|{module}\.py)$", text, re.MULTILINE)
    there = [
        path.relative_to(folder).as_posix()
        for part in (MODULES[module], "Resources")
        for path in (folder / part).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ] + [path.name for path in folder.glob("*.py")]
    assert sorted(listed) == sorted(there)
    assert f"set(MODULE_NAME {module})" in text
    assert "slicerMacroBuildScriptedModule(" in text


def test_the_extensions_description_is_complete():
    text = (ROOT / "CMakeLists.txt").read_text()
    assert "project(SATSegmentation)" in text
    for key in ("HOMEPAGE", "CATEGORY", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"):
        assert re.search(rf"^set\(EXTENSION_{key} ", text, re.MULTILINE), key
    for module in MODULES:
        assert f"add_subdirectory({module})" in text
    for line in ("find_package(Slicer REQUIRED)", "include(${Slicer_EXTENSION_GENERATE_CONFIG})"):
        assert line in text


def test_pip_installs_every_package():
    text = (ROOT / "pyproject.toml").read_text()
    for module, library in MODULES.items():
        for init in (ROOT / module / library).rglob("__init__.py"):
            name = ".".join(init.parent.relative_to(ROOT / module).parts)
            assert f'"{name}"' in text, name


@pytest.mark.parametrize("module", MODULES)
def test_slicer_is_imported_only_where_slicer_is(module):
    for path in _sources(module):
        if path.relative_to(ROOT / module).parts[1] not in IN_SLICER:
            roots = {name.partition(".")[0] for name in _imports(path)}
            assert not roots & SLICER, path


@pytest.mark.parametrize(("module", "arrows"), [("SATSegment", ARROWS), ("SATTraining", TRAINING_ARROWS)])
def test_arrows_run_one_way(module, arrows):
    library, seen = MODULES[module], set()
    beside = {"caches", "encoder_folder", "errors", "resources", "runs", "settings", "__version__"}
    for path in _sources(module):
        parts = path.relative_to(ROOT / module / library).parts
        for name in _imports(path):
            assert module == "SATTraining" or not name.startswith("SATTrainingLib"), path
            target = name.split(".")
            if len(parts) == 1 or target[0] != library or len(target) < 2:
                continue
            seen.add(parts[0])
            assert target[1] in arrows[parts[0]] | {parts[0]} | beside, f"{path} imports {name}"
    assert seen <= set(arrows)  # a new package must say what it may import
    assert {path.parent.name for path in (ROOT / module / library).glob("*/__init__.py")} == set(arrows)


@pytest.mark.parametrize(
    "package",
    [
        "SATSegmentLib",
        "SATSegmentLib.anatomy",
        "SATSegmentLib.batch.process",
        "SATSegmentLib.cli",
        "SATSegmentLib.imaging",
        "SATSegmentLib.models.catalog",
        "SATSegmentLib.output",
        "SATSegmentLib.worker.client",
        "SATTrainingLib.cases.matching",
        "SATTrainingLib.cli",
        "SATTrainingLib.launch.process",
        "SATTrainingLib.runs",
    ],
)
def test_what_a_panel_opens_imports_nothing_heavy(package):
    """Nothing that Slicer's Python lacks before the packages are installed: a panel must open without them."""
    code = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {NOT_IN_SLICER!r}:
            raise ImportError(name + " is not in Slicer")

sys.meta_path.insert(0, Absent())
import {package}
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / module) for module in MODULES)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_files_are_small_but_for_weights():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if not name.startswith("SATSegment/Resources/Models/") and path.exists():
            assert path.stat().st_size <= 1 << 20, name
    weights = sum(path.stat().st_size for path in (ROOT / "SATSegment/Resources/Models/sat-tiny").iterdir())
    assert weights <= 16e6
