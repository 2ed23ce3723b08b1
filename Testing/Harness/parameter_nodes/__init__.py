"""`slicer.parameterNodeWrapper`: typed parameters in a node of the scene, connected to widgets.

The names and texts in the node are Slicer's, so that a scene saved there is read here and the other way round.
"""

from __future__ import annotations

import types

from . import annotations, gui, packs, wrapper

NAMES = {
    annotations: (
        "Choice Decimals Default Exclude IsInstance Maximum Minimum NotNone SingleStep Validator WithinRange "
        "findFirstAnnotation splitAnnotations unannotatedType"
    ),
    gui: "GuiConnector createGuiConnector parameterNodeGuiConnector",
    packs: "isParameterPack nestedParameterNames parameterPack",
    wrapper: (
        "SlicerParameterNamePropertyName findChildWidgetForParameter isParameterNodeWrapper parameterNodeWrapper"
    ),
}


def module() -> types.ModuleType:
    """The module."""
    made = types.ModuleType("slicer.parameterNodeWrapper")
    made.__all__ = []
    for source, names in NAMES.items():
        for name in names.split():
            setattr(made, name, getattr(source, name))
            made.__all__.append(name)
    return made
