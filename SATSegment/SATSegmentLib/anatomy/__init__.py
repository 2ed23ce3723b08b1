"""What can be asked for: terms, their codes and colours."""

from .codes import Code, CodedEntry, coded_entry, terminology_string

__all__ = ["Code", "CodedEntry", "coded_entry", "terminology_string"]
