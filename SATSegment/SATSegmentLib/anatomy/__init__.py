"""What can be asked for: the knowledge tree of human anatomy, its search, codes and colours."""

from .codes import Code, CodedEntry, coded_entry, coded_terms, terminology_string
from .search import Hit, TermIndex, term_index
from .tree import KnowledgeTree, Term, knowledge_tree
from .vocabulary import Vocabulary, sat_classes

__all__ = [
    "Code",
    "CodedEntry",
    "Hit",
    "KnowledgeTree",
    "Term",
    "TermIndex",
    "Vocabulary",
    "coded_entry",
    "coded_terms",
    "knowledge_tree",
    "sat_classes",
    "term_index",
    "terminology_string",
]
