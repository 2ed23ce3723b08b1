"""The two ways a radiologist looks for a structure: where it is, and which system it belongs to.

Each group gathers what lies below its anchors in Uberon, apart from what lies below the anchors it leaves to
another group. Uberon does not say of every vessel, nerve and muscle where it is: what no region holds by its
ancestors is in those that its name tells ("external carotid artery"). A term may be in several groups (the aorta is in
thorax and abdomen). What is in no region is listed under "Whole body", what is in no system under "Other structures",
so that everything can be browsed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

REGION, SYSTEM = "region", "system"


@dataclass(frozen=True)
class Group:
    """A root of the tree.

    Attributes:
        id: "region:thorax", "system:muscular".
        name: Shown.
        anchors: Uberon ids; they and what is below them are in the group.
        without: Uberon ids; they and what is below them are not, whatever the anchors say.
        alone: Uberon ids that are in the group without what is below them.
        words: Starts of words that tell of a region.
    """

    id: str
    name: str
    anchors: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    alone: frozenset[str] = frozenset()
    words: str = ""

    @property
    def kind(self) -> str:
        """REGION or SYSTEM."""
        return self.id.partition(":")[0]

    def holds(self, key: str, above: Collection[str]) -> bool:
        """Whether a term is in the group, by its Uberon id and those of all its ancestors."""
        lineage = {key, *above}
        return key in self.alone or (not self.anchors.isdisjoint(lineage) and self.without.isdisjoint(lineage))

    def tells(self, name: str) -> bool:
        """Whether a name has a word that tells of the region."""
        return bool(self.words) and re.search(rf"\b({self.words.replace(' ', '|')})", name) is not None


def _group(key: str, name: str, anchors: str = "", without: str = "", alone: str = "", words: str = "") -> Group:
    ids = (frozenset(f"UBERON:{number}" for number in numbers.split()) for numbers in (anchors, without, alone))
    return Group(key, name, *ids, words)


_VESSELS = "0004535 0007798 0001981"  # cardiovascular system, vascular system, blood vessel
_LYMPH = "0000029 0001473 0002465"  # lymph node, lymphatic vessel, lymphoid system
_MUSCLES = "0001630 0005090 0000383"  # muscle organ, muscle structure, musculature of body
_NERVES = "0001016"  # nervous system
_BONES = "0001434"  # skeletal system
_AIRWAY_OF_THE_NECK = "0000033 0000974 0001737 0006562 0000004"  # head, neck, larynx, pharynx, nose

# Starts of words, "." for a space.
_BRAIN = (
    "cerebr cerebell choroidal circle basilar communicating.artery midbrain mesencephal pons pontine thalam "
    "calcarine hypophys hypothalam trigeminothalamic corticobulb bulbocerebell rubro olfactory arbor "
    "interthalamic suprasellar glymphatic periventricular choroid"
)
_HEAD_AND_NECK = (
    "carotid jugular facial maxill lingual tongue gloss hyo hyoid thyro thyroid parathyroid pharyn "
    "pterygo laryn temporal occipit auricul ophthalm lacrim orbit supraorbital mandib dental dentition "
    "tooth gingiv dentin enamel cementum periodont saliva sublingual submandibular parotid eyelid "
    "eyelash eye mylo genio digastric trigemin alveolar palat nasal naso capitis cervicis cervical "
    "mouth oral lip labial lips crani suture squamo parieto spheno ethmo fronto frontal zygomatic jaw "
    "face styl splenius infrahyoid suprahyoid chondrogloss cerato buccal mental masseter retromolar "
    "condylar petro mastoid piriform opisthocran digastric vermilion stapes tympanic uveal ciliary "
    "gustat jugul prevertebral longus omohyoid sterno"
)
_THORAX = (
    "thorac intercostal bronch azygos hemiazygos phren musculo-phrenic mammar nipple areola lactifer "
    "pulmon costal sternocostal costo pericard paracardial cardiac thymic intermammary inframammary "
    "chest xiphi manubri mediastin esophag infraclav interchondral ligamentum.arteriosum subcost great.vessel"
)
_ABDOMEN = (
    "gastr hepat splenic colic pancrea mesenteric suprarenal renal celiac jejun ileal ileocolic "
    "epigastric lumbar periton umbilic psoas abdom duoden choledoch appendix appendicular.artery cystic "
    "sigmoid.artery sigmoid.vein sigmoid.colon portal lesser.sac "
    "epiploic enteric paracolic retroperiton visceral ductus.venosus paraaortic phrenic venosum"
)
_PELVIS = (
    "iliac pelvi vesical perine anal anus perianal rectal penis penile clitor vulva uterine uterus ovar "
    "gonad testic gluteal obturator pudend sacral coccyg inguin pubic hypogastric ischio ischial "
    "urethral vestibular.bulb cremaster spermatic dartos corpus.cavernosum pampiniform anococcyg labial "
    "supra.levator intersphincteric deep.post-anal vesic iliolumbar alcock"
)
_SPINE = (
    "vertebral spinal back lumborum spinalis multifid erector cauda.equina atlanto ligamentum.flavum "
    "longissimus iliocostal semispinalis rotator transversospin epaxial dorsal.root dorsal.nerve "
    "ventral.root ventral.nerve paraspinal annular.epiphysis costovertebral lumbosacral"
)
_UPPER_LIMB = (
    "brachial brachii humer radial ulnar axill subscapul suprascapul scapul deltoid teres manus carpal metacarp hand "
    "forearm biceps.brachii triceps thoracodorsal latissimus serratus.anterior trapezius subclavian "
    "musculocutaneous median.nerve shoulder"
)
_LOWER_LIMB = (
    "femoral sural popliteal peroneal fibul saphen sciatic metatars sartorius hip thigh tibial plantar "
    "foot pes gluteal semitendin adductor intercuneiform cuneiform quadratus.femoris marginal knee"
)

REGIONS = (
    _group("region:brain", "Brain", "0000955 0005282 0010743", "0002240 0003292 0034713", words=_BRAIN),
    _group(
        "region:head-and-neck",
        "Head and neck",
        "0000033 0000974 0007811 0001091 0000970 0000019 0001690 0001723 0001737 0006562 0000004 0002046",
        "0000955 0005282 0010743",
        alone="0001535",
        words=_HEAD_AND_NECK,
    ),
    _group(
        "region:thorax",
        "Thorax",
        "0000915 0001443 0002224 0000948 0000310 0006518 0001004 0002012 0002016 0001515 0001508 0002370 0001043 "
        "0001103 0002228 0000975 0001585 0002048",
        _AIRWAY_OF_THE_NECK,
        alone="0000947",
        words=_THORAX,
    ),
    _group(
        "region:abdomen",
        "Abdomen",
        "0000916 0003684 0002423 0001008 0002358 0002095 0000945 0000160 0001264 0002106 0001516 0001072 0001639 "
        "0002107 0002110 0002369 0001103 0005616 0006635 0003688",
        "0002355 0001052 0001255",
        alone="0000947 0007650",
        words=_ABDOMEN,
    ),
    _group(
        "region:pelvis",
        "Pelvis",
        "0002355 0008203 0001270 0000990 0002356 0001271 0001255 0001052 0005609 0005610 0001191",
        "0008784 0000007",
        words=_PELVIS,
    ),
    _group("region:spine", "Spine", "0001130 0002412 0002240 0001066 0003292", words=_SPINE),
    _group("region:upper-limb", "Upper limb", "0002102 0001421 0010708", "0000915", words=_UPPER_LIMB),
    _group("region:lower-limb", "Lower limb", "0002103 0008784", words=_LOWER_LIMB),
    _group("region:whole-body", "Whole body"),
)
SYSTEMS = (
    _group("system:skeletal", "Bones, joints, teeth", _BONES, f"{_MUSCLES} {_VESSELS} {_NERVES}"),
    _group("system:muscular", "Muscles", _MUSCLES, f"{_VESSELS} {_LYMPH}"),
    _group("system:cardiovascular", "Heart and vessels", _VESSELS, _LYMPH),
    _group("system:nervous", "Nervous system", _NERVES, _VESSELS),
    _group("system:sensory", "Eye, ear and other senses", "0004456 0001032", f"{_VESSELS} {_MUSCLES} 0000955"),
    _group("system:respiratory", "Respiratory system", "0001004", f"{_VESSELS} {_MUSCLES} {_BONES} {_NERVES}"),
    _group("system:digestive", "Digestive system", "0001007 0001264", f"{_VESSELS} {_MUSCLES} {_BONES} {_NERVES}"),
    _group("system:urinary", "Urinary system", "0001008", f"{_VESSELS} {_MUSCLES} {_NERVES}"),
    _group("system:reproductive", "Reproductive system", "0000990", f"{_VESSELS} {_MUSCLES} {_NERVES}"),
    _group("system:endocrine", "Endocrine system", "0000949 0002368", f"{_VESSELS} 0002107"),
    _group("system:lymphatic", "Lymphatic and immune system", "0002193 0002405 0002465 0001473"),
    _group("system:skin", "Skin and breast", "0002416 0000310", f"{_VESSELS} {_MUSCLES} {_BONES}"),
    _group("system:lesions", "Lesions"),
    _group("system:other", "Other structures"),
)
GROUPS = {group.id: group for group in (*REGIONS, *SYSTEMS)}
WHOLE_BODY, OTHER, LESIONS = "region:whole-body", "system:other", "system:lesions"
MOST_TELLING = (
    "brain",
    "spine",
    "upper-limb",
    "lower-limb",
    "thorax",
    "abdomen",
    "head-and-neck",
    "pelvis",
    "whole-body",
)
"""Where a path starts of what is in several regions: a cervical vertebra is of the spine rather than of the neck."""
