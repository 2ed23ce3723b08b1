import csv
import json
from functools import cache
from pathlib import Path

import pytest
from Testing.Python.anatomy.wanted import wanted_ids

from SATSegmentLib.anatomy import KnowledgeTree, Term, TermIndex, knowledge_tree
from SATSegmentLib.anatomy.mentions import find_terms
from SATSegmentLib.anatomy.report_words import sentences

TREE = knowledge_tree()


@cache
def judged():
    """(Expected, found, found with the right negation, surplus, sentences on what is wrong) over all texts."""
    expected = right = negation = surplus = 0
    wrong = []
    with (Path(__file__).parent / "mentions.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            left = find_terms(row["text"])
            for surface, wanted, negated in json.loads(row["mentions"]):
                expected += 1
                ids = wanted_ids(wanted)
                hit = next((each for each in left if each.text == surface and each.term.id in ids), None)
                if hit is None:
                    wrong.append(f'{row["text"]}: "{surface}" is not found as {wanted}')
                    continue
                left.remove(hit)
                right += 1
                negation += hit.negated == negated
                if hit.negated != negated:
                    wrong.append(f'{row["text"]}: "{surface}" is {"" if negated else "not "}negated')
            surplus += len(left)
            wrong += [f'{row["text"]}: "{each.text}" is no {each.term.name}' for each in left]
    return expected, right, negation, surplus, wrong


def test_it_finds_what_texts_mention():
    expected, right, _, _, wrong = judged()
    assert expected > 100
    assert right >= 0.95 * expected, "\n".join(wrong)


def test_it_sees_what_is_denied():
    _, right, negation, _, wrong = judged()
    assert negation >= 0.95 * right, "\n".join(wrong)


def test_it_finds_little_else():
    expected, _, _, surplus, wrong = judged()
    assert surplus <= 0.05 * expected, "\n".join(wrong)


def found(text):
    """(As written, name of the term) of each mention."""
    return [(each.text, each.term.name) for each in find_terms(text)]


def denied(text):
    """What is written of each negated mention."""
    return [each.text for each in find_terms(text) if each.negated]


def test_offsets_are_those_of_the_text_as_it_is_written():
    text = "\n  Œdème:\tThe  Left\u00a0KIDNEY’s size, the oesophagus – and (naïvely) the “coeliac trunk”; ½ spleen."
    mentions = find_terms(text)
    assert [each.term.name for each in mentions] == ["left kidney", "esophagus", "celiac trunk", "spleen"]
    assert mentions[0].text == "Left\u00a0KIDNEY"
    for each in mentions:
        assert text[each.start : each.end] == each.text == each.text.strip()
    assert [each.start for each in mentions] == sorted(each.start for each in mentions)


@pytest.mark.parametrize(
    "text", ["", " ", "\n\n", ".", "and", "left", "right and left", "of the", "-", "to 3", "(", "\u200b", "½"]
)
def test_a_text_may_hold_nothing(text):
    assert find_terms(text) == []


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("C3-C6", ["C3", "C4", "C5", "C6"]),
        ("T11 – L1", ["T11", "T12", "L1"]),
        ("C6 to T1", ["C6", "C7", "T1"]),
        ("L2/3", ["L2", "L3"]),
        ("Th8-Th9", ["T8", "T9"]),
        ("L5-S1", ["L5", "S1"]),
    ],
)
def test_a_range_is_each_of_its_levels(text, levels):
    assert found(f"Wedging of {text}.") == [(text, f"{level} vertebra") for level in levels]


def test_ranges_of_ribs_and_segments_count_too():
    assert [name for _, name in found("left 3rd to 5th ribs")] == ["left rib 3", "left rib 4", "left rib 5"]
    assert {text for text, _ in found("liver segments VI-VIII")} == {"liver segments VI-VIII"}
    assert len(found("liver segments VI-VIII")) == 3


def test_a_disc_lies_between_two_levels():
    assert found("The L3/4 disc bulges.") == [("L3/4 disc", "L3-L4 intervertebral disc")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("left and right hips", [("left", "left hip bone"), ("right hips", "right hip bone")]),
        (
            "right upper, middle and lower lobes",
            [
                ("right upper", "right upper lobe of lung"),
                ("middle", "right middle lobe of lung"),
                ("lower lobes", "right lower lobe of lung"),
            ],
        ),
        (
            "head and neck of the left femur",
            [("head", "left femoral head"), ("neck of the left femur", "left neck of femur")],
        ),
        ("femoral head and neck", [("femoral head", "femoral head"), ("neck", "neck of femur")]),
        ("femoral artery and vein", [("femoral artery", "femoral artery"), ("vein", "femoral vein")]),
        (
            "right atrium and ventricle",
            [("right atrium", "right atrium of heart"), ("ventricle", "right ventricle of heart")],
        ),
        ("left femur and tibia", [("left femur", "left femur"), ("tibia", "left tibia")]),
        ("left femur and the tibia", [("left femur", "left femur"), ("tibia", "tibia")]),
        ("left kidney and bladder", [("left kidney", "left kidney"), ("bladder", "urinary bladder")]),
        ("liver and spleen", [("liver", "liver"), ("spleen", "spleen")]),
        (
            "internal and external carotid arteries",
            [("internal", "internal carotid artery"), ("external carotid arteries", "external carotid artery")],
        ),
    ],
)
def test_enumerations_share_words_and_sides(text, expected):
    assert found(text) == expected


@pytest.mark.parametrize("text", ["Left femur", "FEMUR LEFT", "lt femur", "L femur", "left-sided femur"])
def test_a_side_is_before_or_after_the_name(text):
    assert found(text) == [(text, "left femur")]


def test_names_do_not_go_across_the_end_of_a_phrase():
    assert [text for text, _ in found("portal vein")] == ["portal vein"]
    for end in (".", ",", ";", ":", " (", "\n"):
        assert found(f"portal{end} vein") == []
    assert [text for text, _ in found("In the lung the nodule has grown.")] == ["lung"]
    assert [text for text, _ in found("nodule of the lung")] == ["nodule of the lung"]


def test_the_words_are_shared_out_so_that_most_are_named():
    assert [text for text, _ in found("right upper lobe lung nodule")] == ["right upper lobe", "lung nodule"]


def test_an_apostrophe_may_be_inside_a_name():
    assert found("Ammon's horn") == [("Ammon's horn", "Ammon's horn")]
    assert found("Ammon’s horn's shape") == [("Ammon’s horn", "Ammon's horn")]


def test_abbreviations_are_in_capitals():
    assert found("The IVC is patent.") == [("IVC", "inferior vena cava")]
    assert found("the ivc; all or none") == []
    assert found("ALL OF THE LIVER WAS SCANNED. 3 CM") == [("LIVER", "liver")]


def test_an_abbreviation_is_what_is_in_the_region():
    assert found("The SMA and the pancreas")[0] == ("SMA", "superior mesenteric artery")
    assert found("The SMA and the frontal lobe")[0] == ("SMA", "supplementary motor area")


@pytest.mark.parametrize(
    "text",
    [
        "T1- and T2-weighted images",
        "On T2, it is bright; T1 hyperintense, T2/FLAIR",
        "pT3, stage T4, T3 N1",
        "He was called back to the study arm, on the one hand.",
        "wall thickening of this region, a lobe, hepatic and renal, long axis, heart rate",
        "The splenic infarct and the fundus of something",
    ],
)
def test_words_with_other_meanings_are_left_out(text):
    assert found(text) == []


def test_a_contrast_and_a_level_can_be_in_one_sentence():
    assert found("T2 hyperintense lesion in the T2 vertebra") == [("T2 vertebra", "T2 vertebra")]


def test_s_is_sacral_but_for_the_liver():
    assert found("Wedging of S2.") == [("S2", "S2 vertebra")]
    assert found("Liver metastasis in S6.")[-1][1].startswith("liver segment VI ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("There is no evidence of fracture of the tibia.", ["fracture", "tibia"]),
        ("Without lesion in the uterus or cervix.", ["uterus", "cervix"]),
        ("The uterus, bladder and rectum show no lesion.", ["uterus", "bladder", "rectum"]),
        ("The aorta is not dilated.", ["aorta"]),
        ("The aorta is not dilated, and the heart is large.", ["aorta"]),
        ("No lesion in the uterus, and the rectum is inflamed.", ["uterus"]),
        ("No lesion of uterus, rectum and bladder is seen.", ["uterus", "rectum", "bladder"]),
        ("Uterus: no fibroids. Rectum: normal.", ["Uterus", "fibroids"]),
        ("Pleural effusion: none.", ["Pleural effusion"]),
        ("Lungs without consolidation.", ["Lungs", "consolidation"]),
        ("The lungs are free of nodules.", ["lungs"]),
        ("No fracture except in the tibia.", ["fracture"]),
        ("No fracture of the fibula, although the tibia is bent.", ["fracture", "fibula"]),
        ("The aorta is normal, without plaques.", []),
        ("No significant change in the aorta.", []),
        ("A lung nodule is not excluded.", []),
        ("CT of the chest without contrast", []),
        ("Lung nodule was excluded.", ["Lung nodule"]),
        ("The lung nodule is not seen any more.", ["lung nodule"]),
        ("The lung nodule is not calcified.", []),
        ("A tumour that does not invade the aorta.", ["aorta"]),
        ("No evidence of\nlung nodule\nHeart: enlarged", ["lung nodule"]),
        ("No nodule. Heart enlarged.", []),
    ],
)
def test_what_is_denied(text, expected):
    assert denied(text) == expected


def test_sentences_end_at_full_stops_and_new_lines_but_not_in_numbers():
    text = "A 1.5 cm nodule vs. cyst in\nthe liver. Spleen ok\nHeart ok"
    assert [text[start:end].strip() for start, end in sentences(text)] == [
        "A 1.5 cm nodule vs. cyst in\nthe liver.",
        "Spleen ok",
        "Heart ok",
    ]


def test_another_tree_can_be_searched():
    tree = KnowledgeTree([Term("X:1", "flux capacitor", (), (), (), "", "", ("system:other",), 1)])
    (mention,) = find_terms("The flux capacitor and the liver", TermIndex(tree))
    assert (mention.start, mention.end, mention.term.id) == (4, 18, "X:1")


def test_a_long_report():
    part = (
        "The liver, spleen and pancreas show no focal lesion. 3rd to 5th left ribs and L1-L3 are fractured. The right "
        "and left renal arteries, the superior mesenteric artery and vein and the IVC are patent; no lung nodule. "
    )
    mentions = find_terms(part * 10)
    assert len(mentions) == 10 * len(find_terms(part)) > 100


@pytest.mark.parametrize("text", ["The right of both right renal arteries", "left of both left lobes", "a " * 500])
def test_odd_texts_do_no_harm(text):
    assert isinstance(find_terms(text), list)
