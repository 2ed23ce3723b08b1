"""What the command line says, in the words of the panel."""

from __future__ import annotations

from ..mrml.translation import tr as _


def in_panel(sentence: str) -> str:
    """A sentence with the panel's controls in place of options and commands that a window does not have."""
    for said, instead in (
        (
            "Give --again to do them anew, or choose another --output",
            _("Choose another folder under Results, or move this one away to do all of it anew"),
        ),
        ("choose another --output", _("choose another folder under Results")),
        (
            "give --overwrite to replace it, or another name",
            _("move it away, or choose another folder under Results"),
        ),
        ("run the same command again", _("press Segment again")),
        ("with `satsegment models import`", _("with the button Import")),
        (" (`satsegment models list --terms`)", ""),
    ):
        sentence = sentence.replace(said, instead)
    return sentence
