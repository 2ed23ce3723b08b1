"""The extension as it is installed in Slicer: nothing but the files that CMake copies, both modules in one folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from Testing.install_tree import MODULES, ROOT, build


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """The folder qt-scripted-modules of an installation."""
    folder = tmp_path_factory.mktemp("Slicer") / "qt-scripted-modules"
    build(folder)
    return folder


def _run(tree: Path, code: str) -> str:
    """Output of Python code in a new process that finds the extension in the tree alone; the harness is last."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(tree), str(ROOT))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "QT_QPA_PLATFORM": "offscreen",
    }
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_is_imported_from_it(tree):
    code = """
import importlib, pathlib, sys
from Testing import Harness

Harness.install()
here = pathlib.Path.cwd()
names = [
    ".".join(path.relative_to(here).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(here.rglob("*.py"))
    if path.name != "__main__.py"
]
for name in names:
    assert here in pathlib.Path(importlib.import_module(name).__file__).parents, name
print(len(names), "modules")
"""
    there = sum(path.name != "__main__.py" for path in tree.rglob("*.py"))
    assert there > 150
    assert _run(tree, code).splitlines()[-1] == f"{there} modules"


def test_it_finds_its_resources(tree):
    code = """
from SATSegmentLib.anatomy import coded_entry, knowledge_tree
from SATSegmentLib.models import find_model
from SATSegmentLib.models.catalog import catalog
from SATSegmentLib.models.loading import load

assert find_model("sat-tiny").installed
assert [row["name"] for row in catalog()][0] == "sat-tiny"
print(len(load(find_model("sat-tiny")).terms) > 50, len(knowledge_tree()) > 10_000, coded_entry("liver").type.value)
"""
    assert _run(tree, code).split() == ["True", "True", "10200004"]


def test_both_panels_open_and_know_what_to_install(tree):
    code = """
from pathlib import Path
from Testing import Harness

Harness.install()
for module in ("SATSegment", "SATTraining"):
    Harness.open_module(Path.cwd() / f"{module}.py")
    assert not Harness.exceptions(), Harness.exceptions()
from SATSegmentLib.widgets import packages
from SATTrainingLib.widgets import dependencies

print(len(packages.requirements()), len(dependencies.requirements()))
Harness.close()
"""
    own, training = (
        sum(bool(line.strip()) and not line.startswith("#") for line in path.read_text().splitlines())
        for module in MODULES
        for path in (ROOT / module / "Resources").glob("requirements*.txt")
    )
    assert _run(tree, code).split() == [str(own), str(own + training)]


def test_its_command_line_runs(tree):
    code = "import sys; from SATSegmentLib.cli import main; sys.exit(main(['models', 'list']))"
    assert "sat-tiny" in _run(tree, code)


def test_it_is_not_laid_over_other_files(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not empty"):
        build(tmp_path)
