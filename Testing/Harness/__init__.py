"""Stands in for the Slicer application, so that scripted modules run in tests: real Qt, real scene, no Slicer.

    from Testing import Harness

    Harness.install()                                   # once a process: qt, ctk, slicer.app, ...
    widget = Harness.open_module("SATSegment")          # the module's widget object, in a window of 440 x 900
    Harness.type_keys(widget.ui.search, "liver\\n")
    assert Harness.wait_until(lambda: widget.ui.list.count == 1, 5)
    Harness.screenshot("out.png")
    Harness.close()                                     # leaves the module, empties the scene

It stands in only for what can not be installed: PythonQt's conventions over PySide6 (`conventions`, `signals`), ctk
and qMRML widgets (`ctk`, `mrml_widgets`, `node_combo_box`), the application (`application`), scripted modules
(`scripted`) and parameter nodes (`parameter_nodes`). MRML and Slicer's logics are slicer-core's.
"""

from __future__ import annotations

from .driver import (
    answer,
    click,
    close,
    close_scene,
    dialogs_shown,
    exceptions,
    forget_exceptions,
    hover,
    install,
    leave,
    open_module,
    pick,
    process_events,
    screenshot,
    set_testing,
    show,
    type_keys,
    unused_answers,
    wait_until,
)

__all__ = [
    "answer",
    "click",
    "close",
    "close_scene",
    "dialogs_shown",
    "exceptions",
    "forget_exceptions",
    "hover",
    "install",
    "leave",
    "open_module",
    "pick",
    "process_events",
    "screenshot",
    "set_testing",
    "show",
    "type_keys",
    "unused_answers",
    "wait_until",
]
