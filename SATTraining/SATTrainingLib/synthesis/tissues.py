"""What tissues look like in CT and MRI."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tissue:
    """The looks of one tissue.

    Attributes:
        hu: Hounsfield units without contrast medium.
        spread: Standard deviation of `hu` between bodies, and half of it between structures of one body.
        texture: Standard deviation of what is seen within a structure, in Hounsfield units, without noise.
        t1, t2: Brightness in weighted MRI, 0 (black) to 1.
        arterial, portal: Hounsfield units that contrast medium adds in its two phases.
        rim: Tissue of the outermost layer, or empty.
        mixed: Another tissue that lies within it in patches, or empty.
        share: The most of it that this other tissue takes.
    """

    hu: float
    spread: float
    texture: float
    t1: float
    t2: float
    arterial: float = 0.0
    portal: float = 0.0
    rim: str = ""
    mixed: str = ""
    share: float = 0.0


# Hounsfield units: radiological textbooks' usual ranges; MRI: the usual order of brightness
TISSUES: dict[str, Tissue] = {
    "gas": Tissue(-990, 10, 5, 0.0, 0.0),
    "lung": Tissue(-830, 40, 40, 0.06, 0.06, 10, 15, mixed="lung vessel", share=0.06),
    "lung vessel": Tissue(-50, 80, 60, 0.1, 0.1, 80, 60),  # partly air, as thin as it is
    "fat": Tissue(-100, 8, 10, 0.9, 0.7, mixed="muscle", share=0.05),
    "skin": Tissue(10, 20, 15, 0.5, 0.35, 5, 10),
    "muscle": Tissue(52, 6, 8, 0.38, 0.2, 5, 12, mixed="fat", share=0.05),
    "soft": Tissue(38, 8, 12, 0.45, 0.45, 15, 30),
    "liver": Tissue(57, 8, 7, 0.55, 0.32, 15, 55),
    "spleen": Tissue(48, 5, 6, 0.4, 0.58, 70, 70),
    "kidney": Tissue(33, 4, 10, 0.42, 0.62, 130, 150),
    "pancreas": Tissue(40, 6, 10, 0.58, 0.42, 60, 45, mixed="fat", share=0.15),
    "adrenal": Tissue(28, 8, 8, 0.45, 0.45, 30, 40),
    "gland": Tissue(25, 20, 14, 0.6, 0.5, 35, 45, mixed="fat", share=0.2),
    "thyroid": Tissue(105, 12, 8, 0.5, 0.55, 80, 60),
    "lymph node": Tissue(40, 6, 8, 0.42, 0.55, 25, 45),
    "prostate": Tissue(40, 6, 10, 0.42, 0.55, 20, 45),
    "uterus": Tissue(45, 6, 12, 0.42, 0.58, 35, 65),
    "blood": Tissue(42, 5, 6, 0.3, 0.15, 260, 120),
    "vein": Tissue(42, 5, 8, 0.32, 0.2, 25, 120),
    "heart": Tissue(42, 4, 10, 0.4, 0.3, 130, 80, mixed="blood", share=0.5),
    "myocardium": Tissue(45, 5, 8, 0.42, 0.3, 70, 60),
    "bowel": Tissue(30, 12, 20, 0.42, 0.5, 15, 35, rim="bowel wall", mixed="gas", share=0.45),
    "bowel wall": Tissue(38, 6, 8, 0.45, 0.45, 30, 50),
    "fluid": Tissue(8, 5, 5, 0.1, 0.95),
    "eye": Tissue(12, 4, 5, 0.14, 0.92),
    "lens": Tissue(85, 15, 5, 0.4, 0.12),
    "brain": Tissue(34, 2, 4, 0.58, 0.5, 3, 4),
    "gray matter": Tissue(38, 2, 3, 0.45, 0.6, 3, 5),
    "white matter": Tissue(29, 2, 3, 0.72, 0.4, 2, 3),
    "deep gray matter": Tissue(37, 2, 3, 0.56, 0.48, 3, 5),
    "brain stem": Tissue(31, 2, 3, 0.65, 0.43, 2, 3),
    "cord": Tissue(36, 4, 4, 0.6, 0.45, 2, 4),
    "nerve": Tissue(32, 6, 5, 0.5, 0.45),
    "disc": Tissue(80, 12, 10, 0.35, 0.5),
    "cartilage": Tissue(95, 20, 15, 0.5, 0.55),
    "meniscus": Tissue(85, 15, 10, 0.12, 0.1),
    "tendon": Tissue(95, 15, 10, 0.1, 0.08),
    "cortical bone": Tissue(850, 180, 120, 0.04, 0.04),
    "spongy bone": Tissue(230, 70, 50, 0.65, 0.5),
    "marrow": Tissue(30, 50, 30, 0.78, 0.6),
    "bone": Tissue(230, 70, 50, 0.65, 0.5, rim="cortical bone"),  # solid in the map: rim and inside
    "tooth": Tissue(1700, 250, 150, 0.03, 0.03),
}
