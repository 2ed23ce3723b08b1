"""Labelled cases: where they come from, what their labels mean, what is wrong with them, how they are split."""

from .case import Case, DatasetLabels, Label, read_cases, write_cases

__all__ = ["Case", "DatasetLabels", "Label", "read_cases", "write_cases"]
