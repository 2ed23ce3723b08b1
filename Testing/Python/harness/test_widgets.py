"""The widgets of ctk and Slicer."""

import ctk
import numpy as np
import pytest
import qt
import slicer


@pytest.fixture
def selector():
    widget = slicer.qMRMLNodeComboBox()
    widget.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    widget.noneEnabled = True
    widget.renameEnabled = True
    widget.setMRMLScene(slicer.mrmlScene)
    return widget


def volume(name):
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)


def entries(selector):
    box = selector.findChild(qt.QComboBox)
    return [box.itemText(row) for row in range(box.count) if box.itemText(row)]


def test_collapsible_buttons_hide_and_show(harness):
    outer = qt.QWidget()
    layout = qt.QVBoxLayout(outer)
    section = ctk.ctkCollapsibleButton("Advanced")
    inside = qt.QVBoxLayout(section)
    first, second = qt.QLabel("one"), qt.QLabel("two")
    for label in (first, second):
        inside.addWidget(label)
    layout.addWidget(section)
    collapsed = []
    section.connect("contentsCollapsed(bool)", collapsed.append)
    outer.show()
    harness.process_events()
    tall = section.height
    second.hide()
    section.collapsed = True
    harness.process_events()
    assert not first.isVisible()
    assert section.height < tall
    harness.click(section, qt.QPoint(20, 5))
    harness.process_events()
    assert (first.isVisible(), second.isVisible(), section.collapsed) == (True, False, False)
    assert collapsed == [True, False]


def test_what_is_shown_in_a_collapsed_section_stays_hidden_until_it_opens(harness):
    section = ctk.ctkCollapsibleButton("x")
    label = qt.QLabel("inside")
    qt.QVBoxLayout(section).addWidget(label)
    section.collapsed = True
    section.show()
    harness.process_events()
    label.visible = True
    assert not label.isVisible()
    section.collapsed = False
    assert label.isVisible()


def test_only_properties_slots_and_invokables_of_cpp_widgets_are_there():
    for widget, name in (
        (ctk.ctkCollapsibleButton(), "setCollapsed"),
        (slicer.qMRMLNodeComboBox(), "setNodeTypes"),
        (slicer.qMRMLNodeComboBox(), "setNoneEnabled"),
    ):
        assert not hasattr(widget, name)
    with pytest.raises(AttributeError):
        ctk.ctkSearchBox().mine = 1


def test_search_boxes_are_line_edits(harness):
    box = ctk.ctkSearchBox()
    texts = []
    box.connect("textChanged(QString)", texts.append)
    box.show()
    harness.type_keys(box, "li")
    assert texts == ["l", "li"]
    assert isinstance(box, qt.QLineEdit)


def test_colour_buttons_ask_for_a_colour(harness):
    button = ctk.ctkColorPickerButton()
    changes = []
    button.colorChanged.connect(lambda color: changes.append(color.name()))
    button.color = qt.QColor(1, 2, 3)
    harness.answer("#ff0000")
    button.click()
    button.click()
    assert changes == ["#010203", "#ff0000"]
    assert [shown.kind for shown in harness.dialogs_shown()] == ["QColorDialog.getColor"] * 2


def test_flow_layouts_break_rows():
    outer = qt.QWidget()
    layout = ctk.ctkFlowLayout()
    outer.setLayout(layout)
    buttons = [qt.QPushButton(word) for word in ("liver", "spleen", "kidney", "heart")]
    for button in buttons:
        layout.addWidget(button)
    assert layout.heightForWidth(1000) < layout.heightForWidth(200)
    outer.resize(200, 200)
    outer.show()
    assert buttons[0].y < buttons[2].y


def test_checkable_combo_boxes():
    combo = ctk.ctkCheckableComboBox()
    combo.addItems(["CT", "MR"])
    calls = []
    combo.connect("checkedIndexesChanged()", lambda: calls.append(1))
    combo.setCheckState(combo.model().index(1, 0), qt.Qt.Checked)
    assert [index.row() for index in combo.checkedIndexes()] == [1]
    assert calls


def test_node_selectors_follow_the_scene(selector, harness):
    assert selector.nodeTypes == ("vtkMRMLScalarVolumeNode",)
    node = volume("CTChest")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    hidden = volume("hidden")
    hidden.SetHideFromEditors(True)
    assert selector.currentNode() is None
    assert [text for text in entries(selector) if "current" not in text and "Create" not in text] == [
        "None",
        "CTChest",
        "labels",
    ]
    selector.showChildNodeTypes = False
    assert selector.nodeCount() == 1
    node.SetName("renamed")
    assert "renamed" in entries(selector)


def test_node_selectors_tell_the_choice(selector, harness):
    told = []
    selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: told.append(node and node.GetName()))
    selector.connect("currentNodeChanged(bool)", told.append)
    selector.currentNodeIDChanged.connect(told.append)
    selector.currentNodeChanged.connect(lambda node: told.append(node is not None))
    node = volume("CTChest")
    harness.pick(selector, "CTChest")
    assert told == ["CTChest", True, True, node.GetID()]
    told.clear()
    selector.setCurrentNode(None)
    assert told == [None, False, False, ""]


def test_node_selectors_go_on_to_a_neighbour_when_a_node_is_removed(selector):
    first, second = volume("a"), volume("b")
    selector.setCurrentNode(first)
    slicer.mrmlScene.RemoveNode(first)
    assert selector.currentNode() is second
    slicer.mrmlScene.RemoveNode(second)
    assert selector.currentNode() is None


def test_node_selectors_choose_none_when_the_scene_is_closed(selector, harness):
    selector.setCurrentNode(volume("a"))
    harness.close_scene()
    assert selector.currentNode() is None


def test_node_selectors_create_rename_and_delete(selector, harness):
    added = []
    selector.connect("nodeAddedByUser(vtkMRMLNode*)", lambda node: added.append(node.GetName()))
    harness.pick(selector, "Create new Volume")
    assert selector.currentNode().GetName() == added[0]
    harness.answer("mine")
    harness.pick(selector, "Rename current Volume")
    assert selector.currentNode().GetName() == "mine"
    harness.pick(selector, "Delete current Volume")
    assert selector.currentNode() is None
    assert slicer.mrmlScene.GetFirstNodeByName("mine") is None


def test_node_selectors_filter_by_attribute(selector):
    selector.addAttribute("vtkMRMLScalarVolumeNode", "Kind", "PET")
    node = volume("other")
    assert selector.nodeCount() == 0
    node.SetAttribute("Kind", "PET")
    assert selector.nodeCount() == 1


def test_selectors_without_a_scene_are_disabled():
    assert not slicer.qMRMLNodeComboBox().enabled


def test_segment_tables_show_segments_and_tell_the_choice():
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    table = slicer.qMRMLSegmentsTableView()
    told = []
    table.connect("selectionChanged(QItemSelection,QItemSelection)", lambda: told.append(table.selectedSegmentIDs()))
    table.setSegmentationNode(node)
    for identity in ("liver", "heart"):
        node.GetSegmentation().AddEmptySegment(identity, identity)
    assert table.displayedSegmentIDs() == ("liver", "heart")
    table.setSelectedSegmentIDs(["heart"])
    assert told[-1] == ("heart",)
    node.GetSegmentation().RemoveSegment("heart")
    assert table.segmentCount == 1


def test_ui_files_must_name_widgets_that_are_there(tmp_path):
    path = tmp_path / "x.ui"
    path.write_text('<ui version="4.0"><widget class="qMRMLMissingWidget" name="x"/></ui>')
    with pytest.raises(RuntimeError, match="qMRMLMissingWidget"):
        slicer.util.loadUI(str(path))


def test_ui_files_are_written_for_qt_5(tmp_path):
    path = tmp_path / "x.ui"
    enumeration = "<property name='orientation'><enum>Qt::Orientation::Horizontal</enum></property>"
    path.write_text(f'<ui version="4.0"><widget class="QSlider" name="x">{enumeration}</widget></ui>')
    with pytest.raises(RuntimeError, match="Qt::Orientation::Horizontal"):
        slicer.util.loadUI(str(path))


def test_segmentations_with_slicers_own_utilities():
    node = slicer.util.addVolumeFromArray(np.zeros((4, 5, 6), np.int16), name="v")
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(node)
    identity = segmentation.GetSegmentation().AddEmptySegment("a", "liver")
    mask = np.zeros((4, 5, 6), np.uint8)
    mask[1:3] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, identity, node)
    assert (slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, identity, node) == mask).all()
