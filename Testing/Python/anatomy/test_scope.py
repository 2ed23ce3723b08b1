import csv
import re
from collections import Counter

import pytest

from SATSegmentLib.anatomy.relations import WITHIN
from SATSegmentLib.anatomy.scope import (
    ANCHORS,
    DUPLICATE,
    EMBRYONIC,
    NOT_HUMAN,
    REASONS,
    STAYS,
    SUBSTANCE,
    TISSUE,
    UPPER_LEVEL,
    caught_by_rule,
    why_left_out,
)
from SATSegmentLib.anatomy.sources import SourceTerm, ancestors, read_uberon
from SATSegmentLib.resources import resource

# "number name" of well-known structures of all regions and systems
KNOWN = """
0000955 brain; 0001893 telencephalon; 0016525 frontal lobe; 0002703 precentral gyrus; 0002586 calcarine sulcus;
8440010 Brodmann (1909) area 17; 0002421 hippocampal formation; 0001876 amygdala; 0004703 dorsal thalamus;
0001873 caudate nucleus; 0001874 putamen; 0001875 globus pallidus; 0002038 substantia nigra; 0001947 red nucleus;
0001906 subthalamic nucleus; 0002336 corpus callosum; 0001887 internal capsule of telencephalon;
0002707 corticospinal tract; 0002285 telencephalic ventricle; 0002286 third ventricle;
0002289 midbrain cerebral aqueduct; 0000988 pons; 0001896 medulla oblongata; 0002037 cerebellum;
0002132 dentate nucleus; 0000007 pituitary gland; 0001905 pineal body; 0002363 dura mater; 0006059 falx cerebri;
0004052 quadrigeminal cistern; 0002240 spinal cord; 0012337 cauda equina; 0000941 cranial nerve II;
0001675 trigeminal ganglion; 0001647 facial nerve; 0001759 vagus nerve; 0001884 phrenic nerve;
0001322 sciatic nerve; 0001148 median nerve; 0001814 brachial nerve plexus; 0000970 eye;
0000965 lens of camera-type eye; 0000966 retina; 0000053 macula lutea;
0001603 lateral rectus extra-ocular muscle; 0001817 lacrimal gland; 0001844 cochlea;
0001843 lateral semicircular canal; 0001689 malleus bone; 0001687 stapes bone; 0002364 tympanic membrane;
0001706 nasal septum; 0001764 maxillary sinus; 0005922 inferior nasal concha; 0001723 tongue;
0001831 parotid gland; 0002373 palatine tonsil; 0001734 palatine uvula; 0001684 mandible;
0003700 temporomandibular joint; 0018578 lower first secondary molar tooth; 0001677 sphenoid bone;
0001698 foramen ovale of skull; 0003689 sella turcica; 0002489 coronal suture; 0001685 hyoid bone;
0000388 epiglottis; 0001738 thyroid cartilage; 0003706 laryngeal vocal fold; 0002046 thyroid gland;
0006755 inferior parathyroid gland; 0003126 trachea; 0002177 right main bronchus;
0002170 upper lobe of right lung; 0008954 lingula of left lung; 0008874 pulmonary acinus;
0002401 visceral pleura; 0003728 mediastinum; 0002370 thymus; 0001043 esophagus; 0000948 heart;
0002135 mitral valve; 0002094 interventricular septum; 0002302 myocardium of atrium;
0002352 atrioventricular node; 8600102 left anterior descending artery; 0005438 coronary sinus;
0001496 ascending aorta; 0001529 brachiocephalic artery; 0001584 left subclavian artery;
0001532 internal carotid artery; 0003709 circle of Willis; 0001642 superior sagittal sinus; 0001594 azygos vein;
0001585 anterior vena cava; 0002333 pulmonary trunk; 0001631 thoracic duct; 0001097 axillary lymph node;
0000310 breast; 0001765 mammary duct; 0001103 diaphragm; 0001112 latissimus dorsi muscle; 0000975 sternum;
0004607 rib 7; 0018144 cervical rib; 0001093 vertebral bone 2; 0004096 odontoid process of cervical vertebra 2;
0001066 intervertebral disk; 0003673 ligamentum flavum; 0003861 neural arch; 0003690 fused sacrum;
0001350 coccyx; 0001327 coccygeus muscle; 0000945 stomach; 0001199 mucosa of stomach; 0001202 pyloric sphincter;
0002114 duodenum; 0000569 ileocecal valve; 0001154 vermiform appendix; 0001159 sigmoid colon; 0001052 rectum;
0000159 anal canal; 0002107 liver; 0001117 caudate lobe of liver; 0001247 falciform ligament;
0001639 hepatic portal vein; 0001174 common bile duct; 0002110 gallbladder; 0001264 pancreas; 0002106 spleen;
0002399 lesser omentum; 0001235 adrenal cortex; 0002113 kidney; 0000362 renal medulla; 0006517 kidney calyx;
0000056 ureter; 0001255 urinary bladder; 0002367 prostate gland; 8410025 transition zone of prostate;
0000998 seminal vesicle; 0000473 testis; 0005051 mediastinum testis; 0003959 rete testis; 0000989 penis;
0000995 uterus; 0001295 endometrium; 0001296 myometrium; 0000992 ovary; 0001305 ovarian follicle;
0003889 fallopian tube; 0000996 vagina; 0001987 placenta; 0002331 umbilical cord; 0000305 amnion;
0005440 ductus arteriosus; 0004754 foramen ovale of heart; 0001183 inferior mesenteric artery;
0001142 left renal vein; 0001298 psoas major muscle; 0001326 levator ani muscle; 0006849 scapula;
4200038 subscapular fossa; 0001470 glenohumeral joint; 0002383 supraspinatus muscle; 0000976 humerus;
0001490 elbow joint; 0001423 radius bone; 0001428 intermedium; 0035038 carpal tunnel;
0003647 metacarpal bone of digit 3; 0004337 distal phalanx of manual digit 1; 0011274 nail of manual digit 2;
0001272 innominate bone; 0003699 pubic symphysis; 0000981 femur; 0002504 lesser trochanter;
0003671 anterior cruciate ligament of knee joint; 0000387 meniscus; 0002446 patella; 0000979 tibia;
1200140 medial malleolus of tibia; 0001450 calcaneus; 0003701 calcaneal tendon; 0001363 great saphenous vein;
0002250 popliteal artery; 0002102 forelimb; 0002103 hindlimb; 0002398 manus; 0002387 pes; 0000033 head;
0000974 neck; 0000915 thoracic segment of trunk; 0000916 abdomen; 0002355 pelvic region of trunk;
0001016 nervous system; 0001434 skeletal system; 0001015 musculature; 0002049 vasculature; 0001474 bone element;
0001637 artery; 0001638 vein; 0001021 nerve; 0001630 muscle organ; 0000982 skeletal joint; 0002530 gland;
0002412 vertebra; 0002385 muscle tissue; 0001013 adipose tissue; 0002020 gray matter; 8300000 skin of scalp;
0002072 hypodermis; 0000361 red bone marrow; 0001359 cerebrospinal fluid; 0001797 vitreous humor;
0000173 amniotic fluid; 0002255 vomeronasal organ; 0002516 epiphyseal plate; 0000210 tetrapod parietal bone
"""
KNOWN_OUT = {
    NOT_HUMAN: """
0008897 fin; 0010710 pectoral fin skeleton; 2000356 gill raker; 2000364 hypural; 4300116 dorsal fin ray;
0010202 lateral line; 2000250 opercle; 2001239 ceratobranchial 5 bone; 0004745 parasphenoid;
0006597 quadrate bone; 2001188 Weberian apparatus; 0006860 swim bladder; 0007380 dermal scale; 0000022 feather;
0009074 syrinx organ; 0003903 bursa of Fabricius; 0005052 gizzard; 0000162 cloaca; 0002415 tail;
0006435 os penis; 0007365 rumen; 0013216 udder; 0006971 antler; 0011933 vibrissa unit;
0010207 nictitating membrane; 0004187 Harderian gland; 0008271 turtle shell; 0005895 insect leg;
0000018 compound eye; 0001058 mushroom body; 0000972 antenna; 0002547 tadpole; 0005383 caudate-putamen;
0011981 manual digit 6; 0003106 urostyle; 3010027 M. sartorius;
8440045 second visual cortical area (sensu Mustela putorius furo); 0008802 cheek pouch
""",
    EMBRYONIC: """
0002329 somite; 0001049 neural tube; 0003104 mesenchyme; 0004362 pharyngeal arch 1; 0005507 rhombomere 3;
0002328 notochord; 0004347 limb bud; 0000080 mesonephros; 0002120 pronephros; 0000358 blastocyst;
0003890 Mullerian duct; 0006238 future brain; 0006234 femur pre-cartilage condensation;
0010129 femur cartilage element; 0007026 presumptive gut; 0003107 Meckel's cartilage; 0005805 dorsal aorta;
0007105 vitelline duct; 0001046 hindgut
""",
    TISSUE: """
0000483 epithelium; 0001276 epithelium of stomach; 0004638 blood vessel endothelium; 0000030 lamina propria;
0001203 muscularis mucosae of stomach; 0001285 nephron; 0000074 renal glomerulus; 8480001 capillary of brain;
0000006 islet of Langerhans; 0001790 outer plexiform layer of retina; 0005393 cortical layer IV;
0002073 hair follicle; 0005305 thyroid follicle; 0014730 osteon; 0001727 taste bud; 0002299 alveolus of lung;
0004647 liver lobule; 0000121 perineurium; 0002979 Purkinje cell layer of cerebellar cortex;
0003911 choroid plexus epithelium; 0001983 crypt of Lieberkuhn
""",
    UPPER_LEVEL: """
0001062 anatomical entity; 0000061 anatomical structure; 0000062 organ; 0000064 organ part;
0015212 lateral structure; 0000489 cavitated compound organ; 0005172 abdomen element;
0004121 ectoderm-derived structure; 0000475 organism subdivision; 0013702 body proper;
0000468 multicellular organism; 0000479 tissue; 0000466 immaterial anatomical entity;
0015052 femur endochondral element; 5001463 manual digit 1 plus metapodial segment; 0002472 stylopod;
0002470 autopod region; 0002616 regional part of brain; 0004765 skeletal element
""",
    SUBSTANCE: """
0000104 life cycle; 0000069 larval stage; 0034919 juvenile stage; 0000463 organism substance; 0001836 saliva;
0001866 sebum; 0001913 milk; 0001971 gastric juice; 0001968 semen; 0000177 pus; 0000910 chyme
""",
}


def listed(text):
    return [
        (f"UBERON:{number}", name)
        for number, name in (entry.split(" ", 1) for entry in re.split(r";\s*", text.strip()))
    ]


def read_table(name):
    with resource("Anatomy", name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def uberon():
    return read_uberon()


@pytest.fixture(scope="module")
def left_out(uberon):
    return why_left_out(uberon)


def term(number, name, definition="", parents=()):
    return SourceTerm(
        f"UBERON:{number}", name, (), definition, tuple((WITHIN, f"UBERON:{parent}") for parent in parents)
    )


def reason_of(*terms):
    """Why the last of `terms` is left out by rules."""
    known = {entry.id: entry for entry in terms}
    return caught_by_rule(terms[-1], ancestors(known)[terms[-1].id])


@pytest.mark.parametrize(("key", "name"), listed(KNOWN))
def test_well_known_human_structures_stay(uberon, left_out, key, name):
    assert uberon[key].name == name
    assert key not in left_out


@pytest.mark.parametrize(("reason", "key", "name"), [(r, *entry) for r in KNOWN_OUT for entry in listed(KNOWN_OUT[r])])
def test_well_known_others_are_left_out_for_their_reason(uberon, left_out, reason, key, name):
    assert uberon[key].name == name
    assert left_out[key] == reason


def test_every_term_of_sat_and_of_the_tables_stays(left_out):
    used = {
        row[column]
        for table, column in (("terms", "uberon"), ("codes", "uberon"), ("paired", "id"))
        for row in read_table(f"{table}.csv")
    }
    used = {key for key in used if key}
    assert len(used) > 1000
    assert used.isdisjoint(left_out)


def test_half_of_uberon_is_left_out_for_known_reasons(uberon, left_out):
    counts = Counter(left_out.values())
    assert set(counts) == set(REASONS)
    assert counts[NOT_HUMAN] > counts[EMBRYONIC] > 1000
    assert 6500 < len(uberon) - len(left_out) < 7500


def test_what_stays_has_no_name_of_an_animal_an_embryo_or_a_tissue(uberon, left_out):
    signs = re.compile(
        r"epithelium|endothelium|mesothelium|mesenchyme|primordium|lamina propria|muscularis mucosae|capillary of"
        r"|nephron|glomerul|\bfin\b|insect|larval|\bgill|somite|notochord|vertebrate|teleost|amphibian|rodent|mouse"
        r"|anatomical structure|organism|endochondral element",
        re.IGNORECASE,
    )
    assert [entry.name for key, entry in uberon.items() if key not in left_out and signs.search(entry.name)] == []


def test_the_table_is_sorted_and_says_what_rules_do_not(uberon):
    rows = read_table("left_out.csv")
    above = ancestors(uberon)
    assert list(rows[0]) == ["id", "reason", "name"]
    keys = [row["id"] for row in rows]
    assert keys == sorted(set(keys))
    assert {row["reason"] for row in rows} == {NOT_HUMAN, EMBRYONIC, TISSUE, UPPER_LEVEL, DUPLICATE, STAYS}
    assert [row["id"] for row in rows if uberon[row["id"]].name != row["name"]] == []
    wrong = [
        row for row in rows if (row["reason"] == STAYS) != bool(caught_by_rule(uberon[row["id"]], above[row["id"]]))
    ]
    assert wrong == [], "rows that only repeat the rules"


def test_anchors_are_what_they_are_called_and_each_catches_something(uberon, left_out):
    named = [(key, name) for of_reason in ANCHORS.values() for key, name in of_reason.items()]
    assert [key for key, name in named if uberon[key].name != name] == []
    above = ancestors(uberon)
    used = set().union(*(above[key] for key in left_out), left_out)
    assert {key for key, _ in named} <= used


def test_what_is_below_an_anchor_is_left_out():
    fin = term("0008897", "fin")
    assert reason_of(fin) == NOT_HUMAN
    assert (
        reason_of(fin, term("9000001", "ray", parents=["0008897"]), term("9000002", "tip", parents=["9000001"]))
        == NOT_HUMAN
    )
    assert reason_of(term("9000001", "ray"), term("9000002", "tip", parents=["9000001"])) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("basibranchial 2 bone", NOT_HUMAN),
        ("optic lobe (sensu Teleostei)", NOT_HUMAN),
        ("future tongue", EMBRYONIC),
        ("rib cartilage element", EMBRYONIC),
        ("Epithelium of trachea", TISSUE),
        ("skeletal muscle tissue of psoas", TISSUE),
        ("subdivision of trachea", UPPER_LEVEL),
        ("manual digit 2 plus metapodial segment", UPPER_LEVEL),
        ("right subclavian artery", None),
        ("muscle tissue", None),
        ("tarsometatarsal joint", None),
        ("organ of Corti", None),
        ("scalenus anterior", None),
        ("opercular part of inferior frontal gyrus", None),
    ],
)
def test_words_in_a_name_are_rules(name, reason):
    assert reason_of(term("9000001", name)) == reason


def test_animals_in_a_definition_are_a_rule():
    assert reason_of(term("9000001", "crop", "A pouch of the gullet of many birds that holds food.")) == NOT_HUMAN
    assert reason_of(term("9000001", "gastric mill", "Teeth found only in crustaceans.")) == NOT_HUMAN
    assert (
        reason_of(term("9000001", "stapes", "A bone of the middle ear; reptiles have one that is called columella."))
        is None
    )


@pytest.mark.parametrize(
    ("number", "reason"), [("2000001", NOT_HUMAN), ("3999999", NOT_HUMAN), ("6005023", NOT_HUMAN), ("8600102", None)]
)
def test_blocks_of_numbers_are_a_rule(number, reason):
    assert reason_of(term(number, "plate")) == reason


def test_only_the_given_terms_are_answered_and_the_table_wins_over_rules():
    fluid, saliva, spinal = (
        term("0000463", "organism substance"),
        term("0001836", "saliva"),
        term("0001359", "cerebrospinal fluid"),
    )
    below = [SourceTerm(entry.id, entry.name, (), "", ((WITHIN, fluid.id),)) for entry in (saliva, spinal)]
    assert why_left_out({entry.id: entry for entry in (fluid, *below)}) == {fluid.id: SUBSTANCE, saliva.id: SUBSTANCE}
