"""Members of Qt's classes that Slicer's Qt 5.15 does not have (or that only PySide adds), by class.

Not complete: those that a panel might be tempted to use. Virtual functions stay: Qt calls them.
"""

from __future__ import annotations

_POSITIONS = "position globalPosition scenePosition point points pointCount pointingDevice"
_TEXT = {
    "QAbstractItemView": "keyboardSearchFlags setKeyboardSearchFlags setUpdateThreshold updateThreshold",
    "QAbstractSpinBox": "returnPressed",
    "QCheckBox": "checkStateChanged",
    "QComboBox": "labelDrawingMode setLabelDrawingMode",
    "QDate": "toPython",
    "QDateTime": "toPython",
    "QDateTimeEdit": "setTimeZone timeZone",
    "QDockWidget": "dockLocation setDockLocation",
    "QDropEvent": "position buttons modifiers",
    "QFormLayout": "isRowVisible setRowVisible",
    "QHeaderView": "isSortIndicatorClearable setSortIndicatorClearable sortIndicatorClearable",
    "QIcon": "ThemeIcon",
    "QImage": "deviceIndependentSize flip flipped",
    "QKeyEvent": "keyCombination",
    "QKeySequenceEdit": "clearButtonEnabled isClearButtonEnabled setClearButtonEnabled maximumSequenceLength",
    "QLayout": (
        "horizontalSizeConstraint setHorizontalSizeConstraint setSizeConstraints setVerticalSizeConstraint "
        "verticalSizeConstraint"
    ),
    "QListWidget": "setSupportedDragActions supportedDragActions",
    "QMessageBox": "DontUseNativeDialog options setOption setOptions testOption",
    "QMouseEvent": _POSITIONS,
    "QObject": "emit isQmlExposed",
    "QPalette": "Accent accent",
    "QPixmap": "deviceIndependentSize",
    "QPoint": "toTuple",
    "QRegularExpression": "fromWildcard",
    "QShortcut": "keys setKeys",
    "QSize": "toTuple",
    "QSortFilterProxyModel": (
        "autoAcceptChildRows setAutoAcceptChildRows beginFilterChange endFilterChange invalidateColumnsFilter "
        "invalidateRowsFilter"
    ),
    "QStackedWidget": "widgetAdded",
    "QStyle": "name SP_TabCloseButton",
    "QStyleHints": "accessibility colorScheme colorSchemeChanged setColorScheme",
    "QTextCursor": "insertMarkdown",
    "QTime": "toPython",
    "QTimer": "id",
    "QTreeView": "itemDecorationRect",
    "QWidget": "accessibleIdentifier setAccessibleIdentifier setScreen",
}

# properties of Qt 6 that are methods in Qt 5
METHODS = {
    "QHeaderView": frozenset(("sectionsClickable", "sectionsMovable")),
    "QLayout": frozenset(("contentsMargins",)),
}

MEMBERS = {name: frozenset(members.split()) for name, members in _TEXT.items()}
