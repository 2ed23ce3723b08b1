"""Terms that are often wanted together, as names of SAT's classes."""

from __future__ import annotations

from slicer.i18n import tr as _

_SIDES = ("left", "right")


def built_in() -> dict[str, list[str]]:
    """Prompts by the name of the preset."""
    return {
        _("Abdominal organs"): [
            *"liver spleen pancreas gallbladder stomach duodenum aorta".split(),
            *(f"{side} {organ}" for organ in ("kidney", "adrenal gland") for side in _SIDES),
            "inferior vena cava",
        ],
        _("Thorax"): [
            *(f"left lung {lobe} lobe" for lobe in ("upper", "lower")),
            *(f"right lung {lobe} lobe" for lobe in ("upper", "middle", "lower")),
            "heart",
            "trachea",
            "esophagus",
            "aorta",
            "pulmonary artery",
        ],
        _("Heart"): [
            "myocardium",
            *(f"{side} heart {chamber}" for side in _SIDES for chamber in ("atrium", "ventricle")),
            "heart ascending aorta",
            "pulmonary artery",
        ],
        _("Vertebrae"): [
            *(f"cervical vertebrae {level} (c{level})" for level in range(1, 8)),
            *(f"thoracic vertebrae {level} (t{level})" for level in range(1, 13)),
            *(f"lumbar vertebrae {level} (l{level})" for level in range(1, 6)),
            "sacrum",
        ],
        _("Ribs"): [f"{side} rib {number}" for side in _SIDES for number in range(1, 13)],
        _("Pelvis"): ["urinary bladder", "rectum", "prostate", "uterus", "sacrum", "left hip", "right hip"],
        _("Head and neck, organs at risk"): [
            "brainstem",
            "spinal cord",
            "mandible",
            "larynx",
            "esophagus",
            "optic chiasm",
            *(
                f"{side} {organ}"
                for organ in ("parotid gland", "submandibular gland", "eyeball", "lens")
                for side in _SIDES
            ),
            *(f"{side} optic nerve" for side in _SIDES),
        ],
        _("Brain"): [
            *(
                f"{side} {part}"
                for part in (
                    "hippocampus",
                    "amygdala",
                    "thalamus",
                    "caudate nucleus",
                    "putamen",
                    "pallidum",
                    "nucleus accumbens",
                )
                for side in _SIDES
            ),
            "brainstem",
            "cerebellum",
            "corpus callosum",
        ],
    }
