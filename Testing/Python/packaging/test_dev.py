"""`dev.py`, with the plain standard library."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def dev():
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_needs_the_standard_library_only():
    tree = ast.parse((ROOT / "dev.py").read_text(encoding="utf-8"))
    names = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    names |= {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= set(sys.stdlib_module_names)


def test_it_says_what_it_can_do_without_installing_anything():
    result = subprocess.run(
        [sys.executable, "-I", ROOT / "dev.py", "--help"], capture_output=True, text=True, check=True
    )
    for command in ("demo", "test", "panel", "bench", "install-tree"):
        assert command in result.stdout


def test_a_python_that_is_too_old_or_new_is_refused_first(dev, monkeypatch, capsys):
    monkeypatch.setattr(dev, "install", lambda: pytest.fail("installed"))
    monkeypatch.setattr(dev.sys, "version_info", (3, 9, 1))
    monkeypatch.setattr(dev.sys, "argv", ["dev.py", "demo"])
    assert dev.main() == 2
    assert "3.10 to 3.13 is needed" in capsys.readouterr().err


def test_the_cpu_build_is_taken_where_there_is_no_gpu_and_the_index_is_in_reach(dev, monkeypatch):
    monkeypatch.setattr(dev.platform, "system", lambda: "Linux")
    monkeypatch.setattr(dev.shutil, "which", lambda _: "/usr/bin/nvidia-smi")
    assert dev.torch_index() == []
    monkeypatch.setattr(dev.shutil, "which", lambda _: None)
    monkeypatch.setattr(dev, "CPU_INDEX", "http://127.0.0.1:1")
    assert dev.torch_index() == []
    monkeypatch.setattr(dev.urllib.request, "urlopen", lambda url, timeout: contextlib.nullcontext())
    assert dev.torch_index() == ["--index-url", dev.CPU_INDEX]


def test_ci_runs_the_same_command():
    assert "python3 dev.py test" in (ROOT / ".ci" / "run").read_text()
