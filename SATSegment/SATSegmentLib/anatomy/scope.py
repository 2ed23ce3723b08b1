"""Which terms of Uberon are gross anatomy of a human who is born, and so are offered.

Uberon covers all animals, their embryos and their tissues. A term is left out for one of the `REASONS`:

* "not human": what only other animals have, such as fins, the skull bones of fish, the rumen.
* "embryonic": what is gone or has become something else by birth. Placenta, umbilical cord, fetal membranes, fetal
  shunts and remnants that can persist stay.
* "cells and tissue": what takes a microscope: cells, epithelia, capillaries, kidney tubules, layers of the retina and
  of the cortex. The layers of a wall (mucosa, submucosa, muscle layer, serosa) stay.
* "upper level": classes that order the ontology ("organ", "lateral structure", "manual digit 1 plus metapodial
  segment"). What is below them is to be attached to what is above them.
* "duplicate": a second term for what another one is, such as "head of radius of radius".
* "substance or stage": secretions and stages of life. Fluids that scans show, such as cerebrospinal fluid, stay.

Rules catch most of them: terms below which everything is left out, words in the name, animals named by the
definition, and the blocks of numbers that Uberon gave to the terms of teleosts, amphibians, insects and fossils.
`left_out.csv` has what no rule catches and, as "stays", what a rule catches wrongly. It was made by reading the
names, and the definitions where a name did not tell, beside Uberon's own report of the terms that can hold for
humans. That report alone does not do: it keeps the bones of fish, and drops the coccyx with the tails.

The choice is not free of error. A structure that humans share with other animals stays even if its name is that of
the animals ("forelimb", "tetrapod frontal bone"). Gross and microscopic anatomy have no sharp border in the brain,
the inner ear and the wall of the gut: named nuclei, tracts, cortical areas and nerve plexuses stay although scans
rarely show them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Mapping
from functools import cache

from ..resources import resource
from .sources import SourceTerm, ancestors

NOT_HUMAN, EMBRYONIC, TISSUE = "not human", "embryonic", "cells and tissue"
UPPER_LEVEL, SUBSTANCE, DUPLICATE = "upper level", "substance or stage", "duplicate"
REASONS = (
    SUBSTANCE,
    NOT_HUMAN,
    EMBRYONIC,
    TISSUE,
    UPPER_LEVEL,
    DUPLICATE,
)  # the first whose rules catch a term is given
STAYS = "stays"


def why_left_out(terms: Mapping[str, SourceTerm]) -> dict[str, str]:
    """The reason, one of `REASONS`, of each of `terms` that is left out, by id."""
    above, decided = ancestors(terms), _decisions()
    reasons = {key: decided.get(key) or caught_by_rule(term, above[key]) for key, term in terms.items()}
    return {key: reason for key, reason in reasons.items() if reason and reason != STAYS}


def caught_by_rule(term: SourceTerm, above: Collection[str]) -> str | None:
    """Why the rules alone leave out `term`, `above` which are the ids in `above`; None where they do not."""
    lineage = {term.id, *above}
    for reason in REASONS:
        if not lineage.isdisjoint(ANCHORS.get(reason, {})):
            return reason
        if reason in _NAMES and _NAMES[reason].search(term.name):
            return reason
    number = int(term.id.partition(":")[2])
    if _OF_ANIMALS.search(term.definition) or any(number in block for block in _BLOCKS):
        return NOT_HUMAN
    return None


@cache
def _decisions() -> dict[str, str]:
    """`left_out.csv`: a reason or `STAYS`, by id."""
    with resource("Anatomy", "left_out.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: row["reason"] for row in csv.DictReader(file)}


# Left out with all that is below, by the number after "UBERON:".
_ANCHOR_NUMBERS = {
    SUBSTANCE: {
        "0000104": "life cycle",
        "0000463": "organism substance",
    },
    NOT_HUMAN: {
        "0000022": "feather",
        "0000023": "wing",
        "0000939": "imaginal disc",
        "0000972": "antenna",
        "0001001": "chitin-based cuticle",
        "0002415": "tail",
        "0002535": "gill",
        "0002536": "arthropod sensillum",
        "0002540": "lateral line system",
        "0002542": "scale",
        "0002548": "larva",
        "0003108": "suspensorium",
        "0003946": "placenta labyrinth",
        "0004741": "cleithrum",
        "0004743": "coracoid bone",
        "0004758": "salt gland",
        "0005094": "beak",
        "0005155": "open tracheal system",
        "0006065": "hemal arch",
        "0006612": "shell",
        "0006860": "swim bladder",
        "0006967": "horn",
        "0006971": "antler",
        "0007113": "venom",
        "0007366": "ruminant stomach",
        "0007379": "shelled egg",
        "0007719": "bone of reproductive organ",
        "0008260": "spine appendage",
        "0008812": "hemipenis",
        "0008897": "fin",
        "0008937": "visceral hump",
        "0009060": "air sac",
        "0009074": "syrinx organ",
        "0009101": "ammocoete",
        "0009719": "tunicate siphon",
        "0009861": "ascidian neural complex",
        "0010296": "scleral skeletal element",
        "0010389": "pterygoid bone",
        "0010415": "barrel cortex",
        "0010516": "clasper",
        "0011267": "quadratojugal bone",
        "0011579": "venom gland",
        "0011933": "vibrissa unit",
        "0012641": "body of tubeworm",
        "0013188": "monkey lips dorsal bursa complex",
        "0013658": "corpus cavernosum maxillaris",
        "0013672": "priapium",
        "0015165": "multi-unit eye",
        "0015169": "tapetum",
        "0015202": "lymph heart",
        "0016618": "baleen feeding system",
        "8910000": "stomatogastric nervous system",
    },
    EMBRYONIC: {
        "0000478": "extraembryonic structure",
        "0000922": "embryo",
        "0002050": "embryonic structure",
        "0002329": "somite",
        "0003104": "mesenchyme",
        "0004716": "conceptus",
        "0005423": "developing anatomical structure",
    },
    TISSUE: {
        "0000483": "epithelium",
    },
}
ANCHORS = {
    reason: {f"UBERON:{number}": name for number, name in numbers.items()}
    for reason, numbers in _ANCHOR_NUMBERS.items()
}


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_NAMES = {
    NOT_HUMAN: _any_of(
        # animals
        r"\b(insect|arthropod|crustacean|annelid|gastropod|cephalopod|tunicate|ascidian|enteropneust|nematode)\b",
        r"\b(barnacle|bivalve|equine|ruminant|avian|aves|webbed)\b|mollus[ck]|echinoderm|hermaphrodit|\bsensu\b",
        r"\((teleost|amphibians|elasmobranchs|myxiniformes|sauropsida|testudines)\)",
        # organs
        r"\b(gills?|fins?|scutes?|cloac\w+|larva\w*|plane of autotomy)\b|swim ?bladder|feather|lateral line|vibrissa",
        # bones, mostly of fish
        r"(basi|cerato|epi|hypo|pharyngo|inter)branchial|branchiostegal|\b(basi|cerato|epi|hypo|inter|uro)hyal",
        r"\b(inter|sub|pre|suprapre)?opercle|hyomandibula|basipterygi|supraneural|parapophysis|weberian|mesethmoid",
        r"cleithr|prootic|pterotic|sphenotic|pterosphenoid|parasphenoid|posttemporal|autopalatine|procoracoid",
        r"mesocoracoid|\bplectri|prehall|prepoll|tarsometatarsus|tibiotarsus|tooth ?plate|dentary\b|\binfraorbital \d",
        r"\b(centrum|neural (arch|spine)|vertebral element) \d|rib of vertebra \d|\b(digit|bone) [678]\b",
    ),
    EMBRYONIC: _any_of(
        r"embryo|presumptive|primordi|\bfuture\b|placode|condensation|rhombomere|mesenchym|neural crest|anlage",
        r"cartilage element|\b(pro|meso|meta)neph|somite|\b(fore|mid|hind)gut\b|\d(st|nd|rd|th) arch\b|vitelline",
        r"pharyngeal (arch|pouch|cleft)|neural (tube|plate|fold|keel|rod)",
    ),
    TISSUE: _any_of(
        r"epitheli|endotheli|mesotheli|epidermis|urothelium|ependym|stroma|interstitium|connective tissue",
        r"lamina propria|muscularis mucosa|basal lamina|basement membrane|elastic tissue|collagen fibril|endomysium",
        r"arteriole|venule|capillar|sinusoid|vasa recta|nephron|glomerul|tubule|villus|follicle|\bcrypt\b",
        r"\bhairs?\b|taste bud|receptor|corpuscle|barrier|lymphocyte|germinal center|bone tissue of|mineralized",
        r"acin(us|ar)\b|alveolar (duct|sac|system)|(intercalated|interlobular|intralobular|striated) duct",
        r"\blayer \d|(cortical|sublaminar|cell|molecular|granular|plexiform) layer|layer of retina$",
        r"stratum (oriens|radiatum|pyramidale|lacunosum|lucidum)|(ganglionic|autonomic) fiber|\w muscle tissue\b",
    ),
    UPPER_LEVEL: _any_of(
        r"^anatomical (?!point )|^organ (?!of )|^multi[- ]?(cell|limb|organ|tissue)|^disconnected|^subdivision of",
        r"-derived structure$|plus metapodial segment|digitopodi|endochondral element|(pectoral|pelvic) appendage",
        r"^autopod|metapodium bone|mesopodi(al|um) (bone|skeleton|region)|digit 1 or 5$|digit 2, 3 or 4$|^digit \d$",
        r"(adren|amin|gaba|glutamat|choli|seroto|dopami)\w*ergic system",
    ),
}

# "... in birds", where that is all a definition says of where a structure is found.
_OF_ANIMALS = _any_of(
    r"(\b(found|present|occurs?|exists?) (only )?in|^in|^[\w\s,-]{0,60}? (of|in))"
    r" (the |most |some |many |certain |male |female |larval )*"
    r"(fish|fishes|teleosts?|sharks?|birds?|amphibians?|anurans?|frogs?|salamanders?|caecilians?|reptiles?|snakes?"
    r"|lizards?|squamates?|turtles?|crocodil\w+|archosaurs?|dinosaurs?|theropods?|ruminants?|ungulates?|horses?"
    r"|equids?|cetaceans?|whales?|dolphins?|carnivores?|marsupials?|monotremes?|insects?|arthropods?|crustaceans?"
    r"|mollus[ck]s?|cephalopods?|echinoderms?|annelids?|nematodes?|tunicates?|ascidians?|lampreys?|elasmobranchs?"
    r"|actinopterygians?|cichlids?|invertebrates?)\b",
)

_BLOCKS = (
    range(2_000_001, 3_000_000),  # from the Teleost Anatomy Ontology
    range(3_000_001, 4_000_000),  # from the Amphibian Anatomical Ontology
    range(4_000_001, 4_600_000),  # from the study of fish and fossil vertebrates
    range(6_000_001, 7_000_000),  # insects
)
