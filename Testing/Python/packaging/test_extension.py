"""What Slicer's Extensions Index asks of an extension: its entry, its CMake metadata, what its modules import."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
REPOSITORY = "https://github.com/OWNER/SlicerSAT"
RAW = "https://raw.githubusercontent.com/OWNER/SlicerSAT/main/"
MODULES = ("SATSegment", "SATTraining")
IN_SLICER = {*sys.stdlib_module_names, "slicer", "vtk", "qt", "ctk", "numpy", "SimpleITK"}
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef)


@pytest.fixture(scope="module")
def metadata() -> dict[str, str]:
    """The values of EXTENSION_HOMEPAGE and its like."""
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    return dict(re.findall(r'^set\(EXTENSION_(\w+) "([^"]*)"\)$', text, re.MULTILINE))


@pytest.fixture(scope="module")
def entry() -> dict:
    """The catalogue's entry."""
    return json.loads((ROOT / "SATSegmentation.json").read_text(encoding="utf-8"))


def test_the_entry_is_one_of_the_schema(entry):
    kinds = {
        "$schema": str,
        "build_dependencies": list,
        "build_subdirectory": str,
        "category": str,
        "scm_revision": str,
        "scm_url": str,
        "tier": int,
    }
    assert {key: type(value) for key, value in entry.items()} == kinds
    assert re.fullmatch(r"https://\S+/slicer-extension-catalog-entry-schema-v\d\.\d\.\d\.json#", entry["$schema"])
    assert 1 <= entry["tier"] <= 5
    assert entry["category"] == "Segmentation"
    assert entry["scm_url"].rsplit("/", 1)[-1].startswith("Slicer")
    assert b"\r" not in (ROOT / "SATSegmentation.json").read_bytes()


def test_the_entry_says_what_cmake_says(entry, metadata):
    assert metadata["CATEGORY"] == entry["category"]
    assert metadata["DEPENDS"].split(";") == entry["build_dependencies"]
    assert metadata["HOMEPAGE"] == entry["scm_url"] == REPOSITORY
    assert "project(SATSegmentation)" in (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")


def test_pictures_are_in_the_repository(metadata):
    addresses = [metadata["ICONURL"], *metadata["SCREENSHOTURLS"].split()]
    assert len(addresses) >= 3  # the icon and a picture a module
    for address in addresses:
        assert address.startswith(RAW)
        picture = ROOT / address.removeprefix(RAW)
        assert picture.read_bytes().startswith(b"\x89PNG\r\n"), picture
    icon = (ROOT / metadata["ICONURL"].removeprefix(RAW)).read_bytes()
    assert [int.from_bytes(icon[at : at + 4], "big") for at in (16, 20)] == [128, 128]


def test_the_licence_is_at_the_top():
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")[:300]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_file_defines_and_imports_only_what_slicer_has(module):
    body = ast.parse((ROOT / module / f"{module}.py").read_text(encoding="utf-8")).body
    assert isinstance(body[0], ast.Expr) and ast.get_docstring(ast.Module(body, []))
    for node in body[1:]:
        constant = isinstance(node, (ast.Assign, ast.AnnAssign)) and not any(
            isinstance(part, ast.Call) for part in ast.walk(node)
        )
        assert isinstance(node, DEFINITIONS) or constant, f"line {node.lineno} runs at import"
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
            assert {name.split(".")[0] for name in names} <= IN_SLICER, f"line {node.lineno}"


def test_a_clone_is_small():
    """Files and history; each new version of the built-in model's weights stays in the history."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    paths = [ROOT / name for name in filter(None, git("ls-files", "-z").split("\0"))]
    files = sum(path.stat().st_size for path in paths if path.exists())
    assert files + int(git("rev-list", "--disk-usage", "--objects", "HEAD")) < 40e6
