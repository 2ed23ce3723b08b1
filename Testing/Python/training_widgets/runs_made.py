"""Folders of runs as trainers leave them."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import psutil

from SATTrainingLib import runs
from SATTrainingLib.cases import read_cases, write_cases
from SATTrainingLib.launch.runs import new_run_folder
from SATTrainingLib.training.config import TrainingConfig


def step(number: int, loss: float, **losses) -> dict:
    values = {"losses": losses or {"balls": loss}, "learning_rate": 1e-4, "seconds_a_step": 6.0}
    return {"event": "step", "step": number, "loss": loss, "memory_gb": 1.5, **values}


def validation(number: int, left: float, right: float) -> dict:
    terms = {
        f"ct/{side} ball": {"dice": dice, "nsd": dice / 2, "cases": 1}
        for side, dice in (("left", left), ("right", right))
    }
    return {"event": "validation", "step": number, "dice": (left + right) / 2, "nsd": 0.2, "terms": terms, "seconds": 3}


def start(number: int = 0, steps: int = 100) -> dict:
    return {"event": "start", "step": number, "steps": steps, "world_size": 1, "device": "cpu"}


def append(folder: Path, *events: dict) -> None:
    with (folder / runs.EVENTS).open("a", encoding="utf-8") as file:
        for event in events:
            file.write(json.dumps({"time": time.time()} | event) + "\n")


def make(cases: Path, title: str = "balls", state: str = runs.TRAINING, alive: bool = False) -> Path:
    """A run at step 20 of 100 with one held-out case; where it is alive, this process stands for its trainer."""
    folder = new_run_folder(title)
    write_cases(folder / runs.CASES, read_cases(cases))
    config = TrainingConfig(folder / runs.CASES, steps=100, validation=("case0",))
    config.write(folder / runs.CONFIG)
    process = psutil.Process(os.getpid())
    started = process.create_time() if alive else 1.0  # of a process long gone
    told = runs.RunState(state, 20, 100, "", process.pid, started, socket.gethostname(), time.time())
    runs.write_state(folder, told)
    append(folder, start(), validation(0, 0.1, 0.2), step(10, 2.0), step(20, 1.0), validation(20, 0.7, 0.4))
    row = {"step": 20, "case": "case0", "term": "left ball", "dice": 0.7}
    (folder / runs.VALIDATION).write_text(json.dumps([row, {**row, "term": "right ball", "dice": 0.4}]))
    return folder
