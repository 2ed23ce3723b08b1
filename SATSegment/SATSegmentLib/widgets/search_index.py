"""The search over the knowledge tree: made once, whichever thread asks first."""

from __future__ import annotations

import threading

from ..anatomy import Term, TermIndex, coded_entry, term_index
from ..anatomy.codes import CodedEntry

_making = threading.Lock()


def search_index() -> TermIndex:
    """The search; who asks while another thread makes it waits for that one."""
    with _making:
        return term_index()


def entry_of(what: Term | str) -> CodedEntry:
    """Code and colour of a term, or of free text, for which the search is needed."""
    if isinstance(what, Term):
        return coded_entry(what)
    with _making:
        return coded_entry(what)


def warm_up() -> threading.Thread:
    """Begins to make the search, with what finds typing errors, beside Slicer's own thread; returns the thread."""
    thread = threading.Thread(target=lambda: search_index().search("kidny"), daemon=True)
    thread.start()
    return thread
