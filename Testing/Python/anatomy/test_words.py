import pytest

from SATSegmentLib.anatomy.words import meant, normal, split


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("oesophagus", "esophagus"),
        ("haemorrhage", "hemorrhage"),
        ("tumours", "tumor"),
        ("coeliac trunk", "celiac trunk"),
        ("grey matter", "gray matter"),
        ("kidneys", "kidney"),
        ("vertebrae", "vertebra"),
        ("venae cavae", "vena cava"),
        ("femora", "femur"),
        ("nuclei", "nucleus"),
        ("metastases", "metastasis"),
        ("arteries", "artery"),
        ("third rib", "3rd rib"),
        ("12th rib", "twelfth rib"),
        ("segment VIII", "segment 8"),
        ("segment V of the liver", "segment 5 liver"),
        ("L 3 vertebra", "L3 vertebra"),
        ("C-7", "c7"),
        ("Ammon's horn", "ammon horn"),
        ("Ammon’s horn", "ammon horn"),
        ("lobe of the lung", "lobe lung"),
        ("Ménière", "meniere"),
        ("œsophage", "oesophage"),
        ("cœur", "coeur"),
    ],
)
def test_spellings_of_one_name_are_alike(one, other):
    assert split(one) == split(other)


@pytest.mark.parametrize(
    ("name", "words", "side"),
    [
        ("right kidney", ("kidney",), "right"),
        ("kidney, right", ("kidney",), "right"),
        ("R kidney", ("kidney",), "right"),
        ("rt. kidney", ("kidney",), "right"),
        ("kidney l", ("kidney",), "left"),
        ("arteria carotis interna sinistra", ("arteria", "carotis", "interna"), "left"),
        ("rechte Niere", ("niere",), "right"),
        ("左肾", ("肾",), "left"),
        ("左侧肾", ("肾",), "left"),
        ("좌측신장", ("신장",), "left"),
        ("l'aorte", ("aorte",), ""),
        ("왼쪽 신장", ("신장",), "left"),
        ("left and right kidney", ("kidney",), ""),
        ("l", ("l",), ""),
        ("L4", ("l4",), ""),
        ("vein", ("vein",), ""),
        ("V", ("v",), ""),
    ],
)
def test_the_side_is_apart_from_the_words(name, words, side):
    assert split(name) == (words, side)


@pytest.mark.parametrize("word", ["hippocampus", "pelvis", "pons", "abscess", "uterus", "iris", "sinus"])
def test_a_singular_that_ends_like_a_plural_stays(word):
    assert normal(word) == word


def test_nothing_has_no_words():
    assert split("") == ((), "")
    assert split(" ,;- ") == ((), "")
    assert split("of the") == (("of", "the"), "")  # small words count where there are no others


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("a. carotis interna", "arteria carotis interna"),
        ("M. psoas major", "musculus psoas major"),
        ("n. vagus", "nervus vagus"),
        ("popliteal a", "popliteal artery"),
        ("renal v", "renal vein"),
        ("segment v", "segment 5"),
    ],
)
def test_radiologists_short_forms(short, long):
    assert split(short) == split(long)


def test_adjectives_and_kinds_of_lesion_mean_the_names_of_the_tree():
    assert meant(split("hepatic metastases").words) == ("liver", "tumor")
    assert meant(split("liver").words) == ("liver",)
