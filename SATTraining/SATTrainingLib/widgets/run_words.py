"""What is said of a run beside its own sentences."""

from __future__ import annotations

from pathlib import Path

import qt
from slicer.i18n import tr as _

from .. import runs
from ..launch.process import log_tail
from ..runs import RunState

_LOG_LINES = 400


def state_word(state: RunState) -> str:
    """Its state in a word or two."""
    words = {
        runs.NEW: _("not started"),
        runs.PREPARING: _("preparing"),
        runs.TRAINING: _("training"),
        runs.VALIDATING: _("validating"),
        runs.PAUSED: _("paused"),
        runs.DONE: _("done"),
        runs.FAILED: _("stopped"),
    }
    return words.get(state.state, state.state)


def facts_text(facts: dict) -> str:
    """Device, memory and speed in a line, of `RunMonitor.facts`."""
    parts = []
    if "device" in facts:
        parts.append(str(facts["device"]))
    if facts.get("world_size", 1) > 1:
        parts.append(_("{count} processes").format(count=facts["world_size"]))
    if "memory_gb" in facts:
        parts.append(_("{memory:.1f} GB of memory").format(memory=facts["memory_gb"]))
    if "seconds_a_step" in facts:
        parts.append(_("{seconds:.2f} s a step").format(seconds=facts["seconds_a_step"]))
    if "loss" in facts:
        parts.append(_("loss {loss:.3f}").format(loss=facts["loss"]))
    return ", ".join(parts)


def show_log(folder: Path) -> None:
    """Shows the end of a run's log until it is closed."""
    dialog = qt.QDialog()
    dialog.setWindowTitle(_("Log of {name}").format(name=folder.name))
    dialog.resize(640, 420)
    layout = qt.QVBoxLayout(dialog)
    text = qt.QPlainTextEdit()
    text.objectName = "logText"
    text.readOnly = True
    text.plainText = "\n".join(log_tail(folder, _LOG_LINES))
    layout.addWidget(text)
    close = qt.QDialogButtonBox(qt.QDialogButtonBox.Close)
    close.connect("rejected()", dialog.reject)
    layout.addWidget(close)
    dialog.exec_()
