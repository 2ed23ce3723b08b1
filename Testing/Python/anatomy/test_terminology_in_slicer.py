"""Our codes in 3D Slicer's own terminology logic (slicer-core)."""

import pytest
import slicer

from SATSegmentLib.anatomy import coded_entry, knowledge_tree, sat_classes, terminology_string

TERMS = [*sorted({name for name, _ in sat_classes()}), *list(knowledge_tree())[::100], "flux capacitor"]


@pytest.fixture(scope="module")
def logic():
    return slicer.vtkSlicerTerminologiesModuleLogic()


def triple(code):
    values = code.GetCodingSchemeDesignator(), code.GetCodeValue(), code.GetCodeMeaning()
    return values if any(values) else None


@pytest.mark.parametrize("term", TERMS, ids=lambda term: getattr(term, "id", term))
def test_slicer_reads_every_part_of_a_terminology_string(logic, term):
    entry = coded_entry(term)
    read = slicer.vtkSlicerTerminologyEntry()
    assert logic.DeserializeTerminologyEntry(terminology_string(entry), read)
    for part, found in (
        ("category", read.GetCategoryObject()),
        ("type", read.GetTypeObject()),
        ("modifier", read.GetTypeModifierObject()),
        ("region", read.GetRegionObject()),
        ("region_modifier", read.GetRegionModifierObject()),
    ):
        code = getattr(entry, part)
        assert triple(found) == (None if code is None else (code.scheme, code.value, code.meaning)), part


def test_slicer_writes_what_it_read(logic):
    read, again = slicer.vtkSlicerTerminologyEntry(), slicer.vtkSlicerTerminologyEntry()
    for term in TERMS[::20]:
        assert logic.DeserializeTerminologyEntry(terminology_string(coded_entry(term)), read)
        assert logic.DeserializeTerminologyEntry(logic.SerializeTerminologyEntry(read), again)
        assert logic.AreTerminologyEntriesEqual(read, again)
