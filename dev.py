#!/usr/bin/env python3
"""The project's commands: `python3 dev.py demo`, `test`, `panel`, `bench`, `install-tree`.

Plain standard library. Makes `.venv` beside this file on first use, installs what is needed, runs. On a machine
without an NVIDIA GPU the CPU build of PyTorch is taken.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import urllib.request
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "installed"

TORCH = "torch==2.13.0"
# What Qt needs to draw without a screen, on Debian and Ubuntu
QT_LIBRARIES = (
    *("libegl1", "libgl1", "libglib2.0-0", "libxkbcommon0", "libdbus-1-3", "libfontconfig1"),
    "fonts-dejavu-core",  # without a font, pictures have no text
)
DRAWS = "from PySide6 import QtGui; QtGui.QGuiApplication([]); assert QtGui.QFontDatabase.families()"
LIBRARIES = "SATSegment/SATSegmentLib,SATTraining/SATTrainingLib"
# At once: each line is measured until it ran, which costs a tenth of the time of tests that are Python alone
COVERAGE = ("-m", "slipcover", "--immediate", "--skip-covered", "--source", LIBRARIES)
TEST_PROGRAMS = {"dciodvfy": "dicom3tools", "chromium": "chromium"}
AT_ONCE = ("-n", "2", "--dist", "loadfile", "--max-worker-restart", "1")  # a test that hangs ends its process
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
SUPPORTED = ((3, 10), (3, 13))


def main() -> int:
    """Runs a command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="segment a real chest CT by text and show the result")
    demo.add_argument("--output", type=Path, default=ROOT / "demo-output", help="folder for the results")
    commands.add_parser("test", help="lint, run the tests, print their coverage; arguments go to pytest, alone")
    commands.add_parser("bench", help="print ratios of time and memory; arguments name benchmarks")
    commands.add_parser("panel", help="picture a module's panel: SATSegment --screenshot FILE [--state NAME]")
    commands.add_parser("install-tree", help="lay the extension out in FOLDER as Slicer installs it")
    options, arguments = parser.parse_known_args()
    if options.command == "demo" and arguments:
        parser.error(f"unknown arguments: {' '.join(arguments)}")
    if not SUPPORTED[0] <= sys.version_info[:2] <= SUPPORTED[1]:
        print(
            f"Python {'.'.join(map(str, SUPPORTED[0]))} to {'.'.join(map(str, SUPPORTED[1]))} is needed; this is "
            f"{platform.python_version()}.",
            file=sys.stderr,
        )
        return 2
    if options.command == "install-tree":
        return subprocess.run([sys.executable, ROOT / "Testing" / "install_tree.py", *arguments]).returncode
    try:
        install()
        if options.command == "demo":
            return run("Testing/demo.py", "--output", str(options.output.resolve()))
        if options.command == "panel":
            install_qt_libraries()
            return run("Testing/panel.py", *arguments)
        if options.command == "bench":
            return run("Testing/Benchmarks/run.py", *arguments)
        return tests(arguments)
    except subprocess.CalledProcessError as error:
        print(f"\n{' '.join(map(str, error.cmd))} failed with code {error.returncode}.", file=sys.stderr)
        return error.returncode or 1
    except KeyboardInterrupt:
        return 130


def install() -> None:
    """Makes the environment and installs the project with what tests need, once a change of its requirements."""
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + TORCH.encode()).hexdigest()
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text() == wanted:
        return
    if not has_pip():
        print(f"Making {VENV} ...", flush=True)
        try:
            venv.create(VENV, with_pip=True, clear=VENV.exists(), symlinks=os.name != "nt")
        except subprocess.CalledProcessError:
            print("Python's venv needs pip; on Debian and Ubuntu: apt install python3-venv", file=sys.stderr)
            raise
    print("Installing (a few minutes the first time) ...", flush=True)
    # torch first: another package must not draw in a build for GPUs
    pip("install", TORCH, *torch_index())
    pip("install", "--editable", ".[test]", TORCH)
    STAMP.write_text(wanted)


def install_qt_libraries() -> None:
    """Installs what Qt needs to draw without a screen, where apt may; else says so."""
    command = [PYTHON, "-c", DRAWS]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        apt_install(QT_LIBRARIES, "Qt cannot draw here")


def install_test_programs() -> None:
    """Installs the programs that tests run, where apt may; else says so."""
    if missing := [package for program, package in TEST_PROGRAMS.items() if not shutil.which(program)]:
        apt_install(missing, "Some tests will be skipped")


def apt_install(packages: Sequence[str], without: str) -> None:
    """Installs Debian packages where this process may; else says what is lacking without them."""
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "update"], check=True, **quiet)
        subprocess.run(["apt-get", "install", "--yes", "--no-install-recommends", *packages], check=True, **quiet)
        return
    print(f"{without}; on Debian and Ubuntu: apt install {' '.join(packages)}", file=sys.stderr)


def has_pip() -> bool:
    """Whether the environment is there, and was not interrupted while it was made."""
    command = [PYTHON, "-m", "pip", "--version"]
    return (
        PYTHON.exists()
        and subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    )


def torch_index() -> list[str]:
    """PyTorch's index of CPU builds, where PyPI's would be for GPUs, there is none, and the index can be reached."""
    if platform.system() != "Linux" or shutil.which("nvidia-smi"):
        return []
    try:
        with urllib.request.urlopen(f"{CPU_INDEX}/torch/", timeout=5):
            return ["--index-url", CPU_INDEX]
    except OSError:
        return []


def pip(*arguments: str) -> None:
    """Runs the environment's pip, quietly."""
    command = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    subprocess.run(command, cwd=ROOT, check=True)


def run(*arguments: str) -> int:
    """Runs the environment's Python in the project's folder."""
    return subprocess.run([PYTHON, *arguments], cwd=ROOT, env=environment()).returncode


def environment() -> dict[str, str]:
    """This process' environment, with UTF-8 output on Windows too."""
    return {**os.environ, "PYTHONUTF8": "1"}


def tests(arguments: list[str]) -> int:
    """Lints, then runs pytest with coverage; with arguments, pytest alone."""
    install_qt_libraries()
    install_test_programs()
    if arguments:
        return run("-m", "pytest", *arguments)
    for check in (["check"], ["format", "--check"]):
        subprocess.run([PYTHON, "-m", "ruff", *check, "."], cwd=ROOT, check=True)
    return run(*COVERAGE, "-m", "pytest", *AT_ONCE)


if __name__ == "__main__":
    sys.exit(main())
