"""Cases and what their labels teach."""

from __future__ import annotations

from pathlib import Path

import pytest
from Testing import Harness

Harness.install()

from SATSegmentLib.errors import InputError  # noqa: E402
from SATTrainingLib.cases import Case, Label  # noqa: E402
from SATTrainingLib.widgets.run_settings import FOLD, NOTHING, Settings, window_of, window_text  # noqa: E402
from SATTrainingLib.widgets.training_set import Meaning, TrainingSet, meanings_of, terms_of_text  # noqa: E402

SETTINGS = Settings("sat-tiny", "all", "cpu", 1000, 4, "64 x 64 x 48", 1e-4, "float32")


def case(case_id, *labels, dataset="one", patient=""):
    labels = tuple(Label(name, number) for number, name in enumerate(labels, 1))
    return Case(
        case_id, Path(f"/{dataset}/{case_id}.nii"), Path(f"/{dataset}/{case_id}_m.nii"), labels, "ct", dataset, patient
    )


@pytest.fixture
def chosen():
    made = TrainingSet()
    cases = [case(f"c{number}", "kidney_l", "kidney_r") for number in range(5)] + [case("c0", "blob", dataset="two")]
    made.add(cases, meanings_of(cases))
    return made


def test_what_labels_are_is_told_by_their_names(chosen):
    assert chosen.meaning("one", "kidney_l") == Meaning(("left kidney",), True)
    assert not chosen.meaning("two", "blob").sure
    assert chosen.rows() == [("one", "kidney_l", 5), ("one", "kidney_r", 5), ("two", "blob", 1)]


def test_the_same_case_is_there_once_and_the_same_id_gets_a_number(chosen):
    assert [case.id for case in chosen.cases][-1] == "c0-2"
    assert chosen.add([case("c1", "x")], {}) == []


def test_labels_that_share_a_term_become_one(chosen):
    for label in ("kidney_l", "kidney_r"):
        chosen.set_terms("one", label, terms_of_text("Left  kidney; kidney" if label.endswith("l") else "kidney"))
    labels = chosen.datasets()["one"]
    assert [label.name for label in labels.terms_of(chosen.cases[0])["kidney"]] == ["kidney_l", "kidney_r"]
    assert chosen.terms() == ["left kidney", "kidney", *chosen.meaning("two", "blob").terms]


def test_an_empty_field_is_not_taught(chosen):
    chosen.set_terms("two", "blob", terms_of_text(" ; "))
    assert chosen.datasets()["two"].terms == {"blob": ()}


def test_it_survives_as_text_and_what_is_damaged_is_refused(chosen):
    chosen.set_terms("one", "kidney_l", ("kidney", "left kidney"))
    again = TrainingSet.from_texts(chosen.cases_text(), chosen.meanings_text())
    assert again.cases == chosen.cases and again.meanings == chosen.meanings
    assert TrainingSet.from_texts("", "").cases == []
    for cases, meanings in (("{", ""), ('[{"id": "x"}]', ""), ("", '{"one": {"a": 3}}')):
        with pytest.raises(InputError, match="add them again"):
            TrainingSet.from_texts(cases, meanings)


def test_meanings_go_with_the_last_case_of_their_data_set(chosen):
    chosen.remove(["c0-2", "c1"])
    assert list(chosen.meanings) == ["one"]
    assert len(chosen.cases) == 4


def test_settings_become_a_configuration(chosen):
    config = SETTINGS.config(chosen, Path("/x/cases.jsonl"))
    assert (config.base, config.window, config.batch, config.windows_at_once) == ("sat-tiny", (64, 64, 48), 4, 2)
    assert len(config.validation) == 1 and config.datasets == chosen.datasets()
    assert 1 <= config.checkpoint_every <= config.validate_every <= 250


@pytest.mark.parametrize("processes, at_once", [(1, 2), (2, 2), (4, 1)])
def test_a_batch_is_shared_by_the_processes(chosen, processes, at_once):
    from dataclasses import replace

    assert replace(SETTINGS, processes=processes).config(chosen, Path("/x")).windows_at_once == at_once


def test_every_fold_is_held_out_once(chosen):
    from dataclasses import replace

    held = [replace(SETTINGS, hold_out=FOLD, folds=3, fold=n).validation(chosen.cases) for n in (1, 2, 3)]
    assert sorted(key for fold in held for key in fold) == sorted(case.id for case in chosen.cases)
    assert replace(SETTINGS, hold_out=NOTHING).validation(chosen.cases) == []


@pytest.mark.parametrize(
    "change, said",
    [
        ({"window": "64 x 64"}, "three numbers"),
        ({"processes": 3}, "cannot be shared evenly"),
        ({"hold_out": FOLD, "fold": 6}, "no fold 6 of 5"),
        ({"hold_out": FOLD, "folds": 20, "fold": 1}, "20"),
    ],
)
def test_what_does_not_fit_is_said(chosen, change, said):
    from dataclasses import replace

    with pytest.raises(InputError, match=said):
        replace(SETTINGS, **change).config(chosen, Path("/x"))


def test_nothing_to_train_on_is_said(chosen):
    with pytest.raises(InputError, match="no cases"):
        SETTINGS.config(TrainingSet(), Path("/x"))
    for dataset, label, _count in chosen.rows():
        chosen.set_terms(dataset, label, ())
    with pytest.raises(InputError, match="No label teaches"):
        SETTINGS.config(chosen, Path("/x"))


def test_windows_are_written_as_people_do():
    assert window_of("64×64, 48") == window_of(" 64 64 48 ") == (64, 64, 48)
    assert window_of(window_text((1, 2, 3))) == (1, 2, 3)
    assert window_of("") is None and window_text(None) == ""
