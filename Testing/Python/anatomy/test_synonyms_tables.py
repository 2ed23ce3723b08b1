import csv
import io
import re
import unicodedata
from collections import defaultdict

import pytest

from SATSegmentLib.resources import resource

KINDS = {"abbreviation", "latin", "lay", "synonym"}
LANGUAGES = {"de", "es", "fr", "ko", "zh"}
SCRIPTS = {
    "de": re.compile(r"[A-Za-zÄÖÜäöüß ]+"),
    "es": re.compile(r"[a-záéíóúüñ ]+"),
    "fr": re.compile(r"[a-zàâçéèêëîïôöœùûü' -]+"),
    "ko": re.compile(r"[\uac00-\ud7a3 0-9]+"),  # Hangul; numbers as in "제3뇌실"
    "zh": re.compile(r"[\u4e00-\u9fff]+"),
}
MIDDLE_LOBE = "right lung middle lobe"  # there is no left one, so its names need no side

# Names of several terms: a radiologist may mean each of them.
SHARED = {
    "ac": {"UBERON:0000935", "UBERON:0001766"},  # anterior commissure, anterior chamber of eyeball
    "af": {"UBERON:0004715", "UBERON:0035937"},  # annulus fibrosus disci intervertebralis, arcuate fasciculus
    "ba": {"UBERON:0001398", "UBERON:0001633"},  # brachial artery, basilar artery
    # triangular part of inferior frontal gyrus, opercular part of inferior frontal gyrus
    "broca's area": {"UBERON:0002629", "UBERON:0002980"},
    "ca": {"UBERON:0001954", "celiac trunk"},  # Ammon's horn
    "cc": {"UBERON:0004713", "corpus callosum"},  # corpus cavernosum penis
    # centromedian nucleus of thalamus, posterior cerebellomedullary cistern
    "cm": {"UBERON:0002972", "UBERON:0005974"},
    "cs": {"UBERON:0002916", "UBERON:0003712", "UBERON:0005438"},  # central sulcus, cavernous sinus, coronary sinus
    "et": {"UBERON:0002393", "enhancing brain tumor"},  # pharyngotympanic tube
    "fa": {"UBERON:0001612", "UBERON:0002060"},  # facial artery, femoral artery
    "gcv": {"UBERON:0006666", "UBERON:0006958"},  # great cerebral vein, great vein of heart
    "ias": {"UBERON:0001244", "UBERON:0002085"},  # internal anal sphincter, interatrial septum
    "ica": {"UBERON:0001197", "internal carotid artery"},  # ileocolic artery
    "icv": {"UBERON:0000569", "UBERON:0035152"},  # ileocecal valve, internal cerebral vein
    "ima": {"UBERON:0001183", "UBERON:0002456"},  # inferior mesenteric artery, internal thoracic artery
    # abdominal internal oblique muscle, inferior oblique extraocular muscle
    "io": {"UBERON:0005454", "UBERON:0006320"},
    "ipa": {"UBERON:0007315", "UBERON:0012255"},  # internal pudendal artery, inferior phrenic artery
    "ips": {"UBERON:0002913", "UBERON:0007160"},  # intraparietal sulcus, inferior petrosal sinus
    "ita": {"UBERON:0002456", "UBERON:0007149"},  # internal thoracic artery, inferior thyroid artery
    "lg": {"UBERON:0011908", "lacrimal gland"},  # gastrocnemius lateralis
    "lv": {"lateral ventricle", "left heart ventricle"},
    "mb": {"UBERON:0002182", "UBERON:0002206"},  # main bronchus, mammillary body
    "mca": {"UBERON:0001196", "UBERON:0001627"},  # middle colic artery, middle cerebral artery
    "mcp": {"UBERON:0002152", "UBERON:0003695"},  # middle cerebellar peduncle, metacarpophalangeal joint
    "mln": {"UBERON:0002509", "UBERON:0002524"},  # mesenteric lymph node, mediastinal lymph node
    "np": {"UBERON:0001728", "UBERON:0002242"},  # nasopharynx, nucleus pulposus
    "oa": {"UBERON:0001613", "UBERON:0001619"},  # occipital artery, ophthalmic artery
    "pl": {"UBERON:0001387", "UBERON:0016493"},  # fibularis longus, palmaris longus muscle
    "pt": {"UBERON:0001520", "UBERON:0002333", "UBERON:0003676"},  # pronator teres, pulmonary trunk, patellar ligament
    "pv": {"UBERON:0001639", "UBERON:0002146", "pulmonary vein"},  # hepatic portal vein, pulmonary valve
    "qf": {"UBERON:0001377", "UBERON:0008537"},  # quadriceps femoris, quadratus femoris
    "ra": {"UBERON:0001404", "renal artery", "right heart atrium"},  # radial artery
    "rpln": {"UBERON:0015869", "UBERON:0035371"},  # retropharyngeal lymph node, retroperitoneal lymph node
    "rv": {"renal vein", "right heart ventricle"},
    "s1": {"UBERON:0008933", "caudate lobe", "sacral vertebrae 1 (s1)"},  # primary somatosensory cortex
    "s2": {"UBERON:0004623", "left lateral superior segment of liver"},  # sacral vertebra 2
    "s3": {"UBERON:0004624", "left lateral inferior segment of liver"},  # sacral vertebra 3
    "s4": {"UBERON:0004625", "left medial segment of liver"},  # sacral vertebra 4
    "sa": {"UBERON:0001125", "UBERON:0001194"},  # serratus ventralis, splenic artery
    "san": {"UBERON:0002019", "UBERON:0002351"},  # accessory XI nerve, sinoatrial node
    "sca": {"UBERON:0001635", "subclavian artery"},  # superior cerebellar artery
    "scc": {"UBERON:0001840", "UBERON:0015708"},  # semicircular canal, splenium of the corpus callosum
    "scv": {"UBERON:0001587", "UBERON:0035374"},  # subclavian vein, small cardiac vein
    "sma": {"UBERON:0001182", "UBERON:0016636"},  # superior mesenteric artery, supplemental motor cortex
    "smg": {"UBERON:0002688", "submandibular gland"},  # supramarginal gyrus
    "sov": {"UBERON:0003707", "UBERON:0011192"},  # sinus of Valsalva, superior ophthalmic vein
    "spn": {"UBERON:0035526", "lung nodule"},  # superficial fibular nerve
    "ssc": {"UBERON:0001129", "UBERON:0001841"},  # subscapularis muscle, anterior semicircular canal
    "sta": {"UBERON:0001614", "UBERON:0007150"},  # superficial temporal artery, superior thyroid artery
    "sv": {"UBERON:0000998", "UBERON:0003713"},  # seminal vesicle, splenic vein
    "ta": {"UBERON:0001385", "UBERON:0003701"},  # tibialis anterior, calcaneal tendon
    "tp": {"UBERON:0001077", "UBERON:0001667"},  # transverse process of vertebra, tibialis posterior
    "tummy": {"UBERON:0000916", "stomach"},  # abdomen
    "ua": {"UBERON:0001310", "UBERON:0001406", "UBERON:0002493"},  # umbilical artery, ulnar artery, uterine artery
    "v1": {"UBERON:0000348", "UBERON:0002436"},  # ophthalmic nerve, primary visual cortex
    "v3": {"UBERON:0000375", "third ventricle"},  # mandibular nerve
    "va": {"UBERON:0001535", "UBERON:0002637"},  # vertebral artery, ventral anterior nucleus of thalamus
    "vl": {"UBERON:0001379", "UBERON:0001925"},  # vastus lateralis, ventral lateral nucleus of thalamus
}


def read(name):
    path = resource("Anatomy", name)
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8"), newline="")))


SYNONYMS, NAMES = read("synonyms.csv"), read("languages.csv")
CLASSES = {row["term"]: row for row in read("terms.csv")}
SIDED = re.compile(r"\b(left|right)\b")
UNSIDED_CLASS_OF = {row["uberon"]: term for term, row in CLASSES.items() if row["uberon"] and not SIDED.search(term)}


def terms_named(name):
    return {row["term"] for row in SYNONYMS if row["synonym"] == name}


@pytest.mark.parametrize(
    ("name", "columns"),
    [("synonyms.csv", ["term", "kind", "synonym"]), ("languages.csv", ["term", "language", "name"])],
)
def test_a_table_is_sorted_and_written_plainly(name, columns):
    rows = read(name)
    keys = [tuple(row[column] for column in columns) for row in rows]
    assert keys == sorted(set(keys))
    header = {"synonyms.csv": ("term", "synonym", "kind"), "languages.csv": ("term", "language", "name")}[name]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([row[column] for column in header] for row in rows)
    assert resource("Anatomy", name).read_bytes() == text.getvalue().encode()


def test_the_tables_are_of_some_size():
    assert len(SYNONYMS) > 1500
    assert len({row["term"] for row in NAMES}) > 120


def test_a_term_is_a_class_or_an_uberon_id():
    """A structure that is a class goes by the name of the class, so that it has one name here."""
    terms = {row["term"] for row in SYNONYMS + NAMES}
    assert [term for term in terms if term not in CLASSES and not re.fullmatch(r"UBERON:\d{7}", term)] == []
    assert terms.isdisjoint(UNSIDED_CLASS_OF)


def test_names_are_clean():
    for row in SYNONYMS + NAMES:
        name = row.get("synonym") or row["name"]
        assert name == unicodedata.normalize("NFC", " ".join(name.split()))
        assert not re.search(r"[,;|\"()\[\]]", name), name


def test_kinds():
    assert {row["kind"] for row in SYNONYMS} == KINDS


def test_a_term_has_a_name_once():
    names = [(row["term"], row["synonym"].casefold()) for row in SYNONYMS]
    assert len(names) == len(set(names))
    names = [(row["term"], row["language"], row["name"].casefold()) for row in NAMES]
    assert len(names) == len(set(names))


def test_no_synonym_is_the_name_of_its_own_term():
    for row in SYNONYMS:
        known = CLASSES.get(row["term"], {})
        assert row["synonym"].casefold() not in {row["term"].casefold(), known.get("name", "").casefold()}


def test_abbreviations_are_short():
    """All have a capital or a number, what else is a word."""
    for row in SYNONYMS:
        if row["kind"] == "abbreviation":
            assert len(row["synonym"]) <= 9, row
            assert re.search(r"[A-Z0-9]", row["synonym"]), row


def test_latin_is_latin():
    for row in SYNONYMS:
        if row["kind"] == "latin":
            assert re.fullmatch(r"[a-z ]+", row["synonym"]), row


def test_shared_names_are_known():
    """A name that a second term gets is a decision: add it to the list above."""
    terms = defaultdict(set)
    for row in SYNONYMS:
        terms[row["synonym"].casefold()].add(row["term"])
    assert {name: found for name, found in terms.items() if len(found) > 1} == SHARED


@pytest.mark.parametrize(
    ("name", "term"),
    [
        ("RUL", "right lung upper lobe"),
        ("RML", "right lung middle lobe"),
        ("RLL", "right lung lower lobe"),
        ("LUL", "left lung upper lobe"),
        ("LLL", "left lung lower lobe"),
        ("LAA", "left auricle of heart"),
        ("IVC", "inferior vena cava"),
        ("GEJ", "UBERON:0007650"),
        ("CBD", "UBERON:0001174"),
        ("ACL", "UBERON:0003671"),
        ("PICA", "UBERON:0009688"),
        ("LGN", "UBERON:0001926"),
        ("SCM", "UBERON:0001128"),
        ("womb", "uterus"),
        ("hepar", "liver"),
        ("pulmonary embolus", "pulmonary embolism"),
        ("brain neoplasm", "brain tumor"),
    ],
)
def test_known_names(name, term):
    assert terms_named(name) == {term}


def test_liver_segments_have_couinauds_number():
    segments = [
        "caudate lobe",
        "left lateral superior segment of liver",
        "left lateral inferior segment of liver",
        "left medial segment of liver",
        "right anterior inferior segment of liver",
        "right posterior inferior segment of liver",
        "right posterior superior segment of liver",
        "right anterior superior segment of liver",
    ]
    numerals = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII"]
    for number, (numeral, term) in enumerate(zip(numerals, segments, strict=True), start=1):
        for called in (number, numeral):
            for name in (f"segment {called}", f"liver segment {called}", f"Couinaud segment {called}"):
                assert terms_named(name) == {term}
        assert term in terms_named(f"S{number}")


def test_vertebrae_have_their_level():
    levels = 0
    for term in CLASSES:
        if match := re.fullmatch(r"(cervical|thoracic|lumbar|sacral) vertebrae (\d+) \(([ctls]\2)\)", term):
            levels += 1
            assert term in terms_named(match[3].upper())
            if match[1] == "thoracic":
                assert terms_named(f"Th{match[2]}") == terms_named(f"D{match[2]}") == {term}
    assert levels == 7 + 12 + 6 + 1


def test_discs_have_their_level():
    discs = [term for term in CLASSES if term.startswith("intervertebral disc between")]
    assert len(discs) == 9
    for term in discs:
        upper, lower = re.findall(r"\(([TLS]\d+)\)", term.replace("sacrum", "(s1)").upper())
        assert terms_named(f"{upper}/{lower}") == {term}
        if upper[0] == lower[0]:
            assert terms_named(f"{upper}/{lower[1:]}") == terms_named(f"{upper}/{lower[1:]} disc") == {term}


def test_ribs_have_their_number():
    for number in range(1, 13):
        ordinal = {1: "1st", 2: "2nd", 3: "3rd"}.get(number, f"{number}th")
        assert terms_named(f"{ordinal} rib") == {f"rib {number}"}


def test_every_term_has_all_languages():
    languages = defaultdict(set)
    for row in NAMES:
        languages[row["term"]].add(row["language"])
    assert {frozenset(found) for found in languages.values()} == {frozenset(LANGUAGES)}


def test_names_of_languages_are_of_structures_without_side():
    assert [term for term in {row["term"] for row in NAMES} if SIDED.search(term)] == [MIDDLE_LOBE]


def test_names_are_in_the_script_of_their_language():
    for row in NAMES:
        assert SCRIPTS[row["language"]].fullmatch(row["name"]), row


def test_german_nouns_are_capitalised():
    """What is not, is an adjective before them."""
    for row in NAMES:
        if row["language"] == "de" and row["term"] not in ("celiac trunk", "heart ascending aorta"):
            *adjectives, noun = row["name"].split()
            assert noun[0].isupper(), row
            assert all(word.islower() for word in adjectives), row


@pytest.mark.parametrize(
    ("term", "language", "name"),
    [
        ("kidney", "de", "Niere"),
        ("kidney", "fr", "rein"),
        ("kidney", "es", "riñón"),
        ("kidney", "zh", "肾脏"),
        ("kidney", "ko", "콩팥"),
        ("spleen", "fr", "rate"),
        ("gallbladder", "de", "Gallenblase"),
        ("UBERON:0001423", "es", "radio"),
        ("heart", "zh", "心脏"),
        ("thyroid gland", "ko", "갑상선"),
    ],
)
def test_known_names_in_other_languages(term, language, name):
    assert {row["term"] for row in NAMES if (row["language"], row["name"]) == (language, name)} == {term}
