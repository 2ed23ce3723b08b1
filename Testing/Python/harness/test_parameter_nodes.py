"""slicer.parameterNodeWrapper."""

import enum
import pathlib
from typing import Annotated

import ctk
import pytest
import qt
import slicer
from slicer.parameterNodeWrapper import (
    Choice,
    Decimals,
    Default,
    Minimum,
    WithinRange,
    isParameterPack,
    parameterNodeWrapper,
    parameterPack,
)


class Speed(enum.Enum):
    SLOW = 1
    FAST = 2


@parameterPack
class Color:
    name: str = "red"
    alpha: Annotated[float, WithinRange(0, 1)] = 1.0


@parameterPack
class Term:
    term: str
    count: int = 1
    color: Color


@parameterNodeWrapper
class Parameters:
    volume: slicer.vtkMRMLScalarVolumeNode
    name: str = "x"
    count: Annotated[int, WithinRange(0, 10)] = 3
    factor: Annotated[float, WithinRange(0, 1), Default(0.5)]
    active: bool = True
    device: Annotated[str, Choice(["cpu", "cuda"])] = "cpu"
    speed: Speed = Speed.FAST
    folder: pathlib.Path
    maybe: int | None
    box: tuple[float, float]
    names: list[str]
    sizes: dict[str, int]
    color: Color
    terms: list[Term]


@pytest.fixture
def node():
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "parameters")


@pytest.fixture
def parameters(node):
    return Parameters(node)


def gui(**widgets):
    holder = qt.QWidget()
    qt.QVBoxLayout(holder)
    for name, widget in widgets.items():
        widget.setProperty("SlicerParameterName", name)
        holder.layout().addWidget(widget)
    return holder


def test_defaults(parameters):
    assert (parameters.name, parameters.count, parameters.factor, parameters.active) == ("x", 3, 0.5, True)
    assert (parameters.volume, parameters.maybe, parameters.speed) == (None, None, Speed.FAST)
    assert parameters.names == []
    assert parameters.terms == []
    assert (parameters.color.name, parameters.box) == ("red", (0, 0))


def test_they_are_kept_in_the_node_under_slicers_names(parameters, node):
    parameters.terms = [Term("heart"), Term("liver", 2)]
    parameters.speed = Speed.SLOW
    parameters.active = False
    kept = {name: node.GetParameter(name) for name in node.GetParameterNames()}
    assert kept["terms.len"] == "2"
    assert (kept["terms.0.term"], kept["terms.1.count"], kept["terms.1.color.alpha"]) == ("heart", "2", "1.0")
    assert (kept["speed"], kept["active"], kept["count"]) == ("SLOW", "False", "3")


def test_another_wrapper_of_the_node_sees_the_same(parameters, node):
    parameters.names = ["a"]
    parameters.folder = pathlib.Path("/tmp/x")
    parameters.sizes = {"b": 2}
    parameters.maybe = 4
    other = Parameters(node)
    assert (other.names, other.folder, other.sizes, other.maybe) == (["a"], pathlib.Path("/tmp/x"), {"b": 2}, 4)
    other.names.append("c")
    assert parameters.names == ["a", "c"]
    other.maybe = None
    assert parameters.maybe is None


def test_lists_and_packs_write_themselves(parameters, node):
    parameters.terms.append(Term("heart"))
    parameters.terms[0].count = 5
    parameters.terms[0].color.name = "blue"
    parameters.names += ["a", "b"]
    parameters.names.remove("a")
    parameters.sizes["k"] = 3
    fresh = Parameters(node)
    assert (fresh.terms[0].count, fresh.terms[0].color.name, fresh.names) == (5, "blue", ["b"])
    assert fresh.sizes == {"k": 3}
    del parameters.terms[0]
    assert node.GetParameter("terms.len") == "0"
    assert not node.HasParameter("terms.0.term")


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("count", 11, ValueError),
        ("count", "3", TypeError),
        ("name", None, ValueError),
        ("device", "tpu", ValueError),
        ("active", 1, TypeError),
        ("names", [1], TypeError),
    ],
)
def test_values_that_are_not_allowed_are_refused_and_change_nothing(parameters, name, value, error):
    before = parameters.getValue(name)
    with pytest.raises(error):
        setattr(parameters, name, value)
    assert parameters.getValue(name) == before


def test_packs_check_their_members(parameters):
    with pytest.raises(ValueError, match="within range"):
        Color(alpha=2.0)
    with pytest.raises(ValueError, match="within range"):
        parameters.color.alpha = -1.0
    with pytest.raises(AttributeError, match="no attribute 'beta'"):
        parameters.color.beta = 1
    with pytest.raises(TypeError, match="unexpected keyword"):
        Color(beta=1)
    assert isParameterPack(Color)
    assert Color("a") == Color("a") != Color("b")


def test_names_of_the_wrapper_are_taken():
    with pytest.raises(ValueError, match="reserved name 'default'"):

        @parameterNodeWrapper
        class Wrong:
            default: str = "x"


def test_nodes_are_references(parameters, node):
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "v")
    parameters.volume = volume
    assert node.GetNodeReferenceID("volume") == volume.GetID()
    assert Parameters(node).volume is volume
    with pytest.raises(TypeError):
        parameters.volume = node
    slicer.mrmlScene.RemoveNode(volume)
    assert parameters.volume is None


def test_widgets_and_parameters_follow_each_other(parameters, harness):
    widgets = {
        "name": qt.QLineEdit(),
        "count": qt.QSpinBox(),
        "factor": ctk.ctkSliderWidget(),
        "active": qt.QCheckBox(),
        "device": qt.QComboBox(),
        "speed": qt.QComboBox(),
        "color.alpha": qt.QDoubleSpinBox(),
    }
    holder = gui(**widgets)
    parameters.connectGui(holder)
    assert (widgets["count"].value, widgets["count"].maximum, widgets["device"].currentText) == (3, 10, "cpu")
    widgets["count"].value = 7
    widgets["factor"].value = 0.25
    widgets["active"].checked = False
    widgets["device"].currentIndex = 1
    widgets["speed"].currentText = "SLOW"
    widgets["color.alpha"].value = 0.5
    harness.type_keys(widgets["name"], "yz")
    assert (parameters.count, parameters.factor, parameters.active) == (7, 0.25, False)
    assert (parameters.device, parameters.speed, parameters.color.alpha) == ("cuda", Speed.SLOW, 0.5)
    assert parameters.name == "xyz"
    parameters.name = "other"
    parameters.count = 2
    assert (widgets["name"].text, widgets["count"].value) == ("other", 2)


def test_disconnected_widgets_are_left_alone(parameters):
    field = qt.QLineEdit()
    holder = gui(name=field)
    tag = parameters.connectGui(holder)
    parameters.disconnectGui(tag)
    parameters.name = "new"
    assert field.text == "x"
    field.text = "typed"
    assert parameters.name == "new"


def test_node_selectors_get_the_parameters_node_type(parameters):
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLModelNode"]
    selector.noneEnabled = True
    selector.setMRMLScene(slicer.mrmlScene)
    holder = gui(volume=selector)
    parameters.connectGui(holder)
    assert selector.nodeTypes == ("vtkMRMLScalarVolumeNode",)
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "v")
    selector.setCurrentNode(volume)
    assert parameters.volume is volume
    slicer.mrmlScene.RemoveNode(volume)
    assert parameters.volume is None


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("name", qt.QComboBox, "Choice"),
        ("count", qt.QLineEdit, "Unable to create GUI connector"),
        ("name", lambda: type("Field", (qt.QLineEdit,), {})(), "Unable to create GUI connector"),
        ("name", ctk.ctkSearchBox, "Unable to create GUI connector"),
    ],
)
def test_widgets_that_slicer_can_not_connect_are_refused(parameters, name, make, message):
    with pytest.raises(RuntimeError, match=message):
        parameters.connectGui(gui(**{name: make()}))


def test_sliders_need_limits():
    @parameterNodeWrapper
    class Unlimited:
        value: Annotated[float, Minimum(0)]

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    with pytest.raises(RuntimeError, match="limits"):
        Unlimited(node).connectGui(gui(value=ctk.ctkSliderWidget()))


def test_widgets_of_unknown_parameters_are_refused(parameters):
    with pytest.raises(ValueError, match="no parameter 'nothing'"):
        parameters.connectGui(gui(nothing=qt.QLineEdit()))


def test_hints_for_widgets(node):
    @parameterNodeWrapper
    class Hinted:
        value: Annotated[float, WithinRange(0, 1), Decimals(4)]

    box = qt.QDoubleSpinBox()
    holder = gui(value=box)
    Hinted(node).connectGui(holder)
    assert (box.decimals, box.maximum) == (4, 1.0)


def test_one_change_is_one_event(parameters):
    calls = []
    parameters.AddObserver("ModifiedEvent", lambda caller, event: calls.append(1))
    parameters.terms = [Term("a"), Term("b"), Term("c")]
    assert len(calls) == 1


def test_two_wrappers_in_one_node_by_prefix(node):
    first, second = Parameters(node, "a."), Parameters(node, "b.")
    first.name = "one"
    assert (second.name, node.GetParameter("a.name")) == ("x", "one")
