"""What is kept of prepared cases, in the tab Training: how much it is, and clearing it."""

from __future__ import annotations

import pytest
from Testing import Harness
from Testing.Python.training_widgets import runs_made

from SATSegmentLib.errors import Cancelled, InputError
from SATTrainingLib.cases import DatasetLabels, read_cases
from SATTrainingLib.data.cache import CaseCache
from SATTrainingLib.knowledge import start as knowledge
from SATTrainingLib.launch.prepared import clear_prepared, prepared_bytes, prepared_folders
from SATTrainingLib.training import start as training

TRAINING = 2


def keep(ball_cases, network) -> CaseCache:
    """Cases and texts, as trainings leave them."""
    cache = CaseCache(training.cases_cache())
    for case in read_cases(ball_cases):
        cache.get(case, DatasetLabels(), network)
    knowledge.texts_cache().mkdir(parents=True)
    (knowledge.texts_cache() / "block.npy").write_bytes(bytes(2_000_000))
    return cache


def left() -> list[str]:
    return [path.name for folder in prepared_folders() for path in folder.iterdir()]


def test_what_is_removed_is_what_trainings_keep(ball_cases, small_config):
    assert prepared_folders() == (training.cases_cache(), knowledge.texts_cache())
    assert prepared_bytes() == 0
    clear_prepared()  # nothing is nothing to complain of
    cache = keep(ball_cases, small_config)
    assert prepared_bytes() > 2_000_000
    texts = training.cases_cache().parent / "prompts" / "kept"
    texts.parent.mkdir()
    texts.touch()
    clear_prepared()
    assert left() == []
    assert texts.exists()
    case = read_cases(ball_cases)[0]
    assert cache.get(case, DatasetLabels(), small_config).image.shape  # prepared anew, in the folder that is there


def test_a_cancelled_clearing_leaves_whole_cases(ball_cases, small_config):
    cache = keep(ball_cases, small_config)
    before = len(left())
    asked = iter([False, False, True])
    with pytest.raises(Cancelled):
        clear_prepared(lambda: next(asked))
    assert len(left()) == before - 2
    for case in read_cases(ball_cases):
        cache.get(case, DatasetLabels(), small_config)


def test_prepared_cases_are_cleared_when_one_says_so_and_no_run_needs_them(
    widget, panel, idle, ball_cases, small_config
):
    text, button = widget.ui.preparedText, widget.ui.clearPrepared
    assert text.text == "Prepared cases: 0 MB on disk."
    assert not button.enabled and "Nothing is kept" in button.toolTip
    keep(ball_cases, small_config)
    widget.ui.tabs.currentIndex = TRAINING
    assert Harness.wait_until(lambda: "Prepared cases: 2 MB" in text.text, 30)
    run = runs_made.make(ball_cases, alive=True)
    Harness.click(button)  # asks nothing
    assert "in use by balls; wait until that has ended" in widget.ui.errorText.text
    with pytest.raises(InputError, match="in use by balls"):
        clear_prepared()
    runs_made.runs.write_state(run, runs_made.runs.RunState(runs_made.runs.PAUSED))
    Harness.answer("Cancel")
    Harness.click(button)
    assert widget.ui.errorText.text == ""
    idle()
    assert left()
    Harness.answer("OK")
    Harness.click(button)
    assert not button.enabled and "being removed" in button.toolTip
    assert Harness.wait_until(lambda: text.text == "Prepared cases: 0 MB on disk.", 30)
    assert left() == []
    assert not button.enabled and "Nothing is kept" in button.toolTip
