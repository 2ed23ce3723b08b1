"""What becomes of Python values that Qt keeps (item data, properties, settings), in PythonQt.

They turn into QVariants: sequences of any class, named tuples too, come back as plain tuples, dictionaries with texts
as keys, enumerations as their integer or text. Other Python objects come back as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

# not virtual ones, which Qt itself calls, but for those of items, which PySide does not take for overridden
READ = {
    "QAction": ("data",),
    "QButtonGroup": ("buttons",),
    "QComboBox": ("itemData",),
    "QFileDialog": ("nameFilters", "selectedFiles"),
    "QItemSelection": ("indexes",),
    "QItemSelectionModel": ("selectedColumns", "selectedIndexes", "selectedRows"),
    "QListWidget": ("findItems", "selectedItems"),
    "QListWidgetItem": ("data",),
    "QMessageBox": ("buttons",),
    "QModelIndex": ("data",),
    "QObject": ("children", "dynamicPropertyNames", "findChildren", "property"),
    "QSettings": ("allKeys", "childGroups", "childKeys", "value"),
    "QSplitter": ("sizes",),
    "QStandardItem": ("data",),
    "QStandardItemModel": ("findItems",),
    "QTableWidget": ("findItems", "selectedItems"),
    "QTableWidgetItem": ("data",),
    "QTreeWidget": ("findItems", "selectedItems"),
    "QTreeWidgetItem": ("data", "takeChildren"),
    "QWidget": ("actions",),
}
WRITTEN = {
    "QAction": ("setData",),
    "QComboBox": ("addItem", "insertItem", "setItemData"),
    "QListWidgetItem": ("setData",),
    "QObject": ("setProperty",),
    "QSettings": ("setValue",),
    "QStandardItem": ("setData",),
    "QTableWidgetItem": ("setData",),
    "QTreeWidgetItem": ("setData",),
}


# C++ calls `data` and `setData` of items through their class, and PySide6 6.11 now and then releases the function
# once too often: with the class' own reference alone it would be freed while it is in use.
_KEPT: list[Callable] = []


def apply(cls: type) -> None:
    """Makes the class' functions take and give values as in PythonQt."""
    for names, change in ((READ, _reading), (WRITTEN, _writing)):
        for name in names.get(cls.__name__, ()):
            original = vars(cls).get(name)
            if original is not None:
                method = change(original)
                _KEPT.extend([method] * 1000)
                setattr(cls, name, method)


def read(value):
    """A value from Qt: tuples for lists."""
    if isinstance(value, list):
        return tuple(read(each) for each in value)
    if isinstance(value, dict):
        return {key: read(each) for key, each in value.items()}
    return value


def written(value):
    """A value for Qt, as it will come back."""
    if isinstance(value, dict):
        return {str(key): written(each) for key, each in value.items()}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, range)):
        return [written(each) for each in value]
    return value


def _reading(original: Callable) -> Callable:
    def method(self, *arguments, **keywords):
        return read(original.__get__(self, type(self))(*arguments, **keywords))

    return method


def _writing(original: Callable) -> Callable:
    def method(self, *arguments, **keywords):
        return original.__get__(self, type(self))(*map(written, arguments), **keywords)

    return method
