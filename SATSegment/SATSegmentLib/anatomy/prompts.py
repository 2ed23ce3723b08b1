"""What a model is asked for a user's term: the name it was trained on, where the term is another name of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from difflib import get_close_matches

from ..errors import InputError
from .codes import terms_of_written
from .search import term_index
from .tree import knowledge_tree
from .vocabulary import Vocabulary

Trained = Collection[tuple[str, str]]
"""Terms with their modality, such as ("liver", "ct"), that a model was trained on."""


def clean_terms(terms: Sequence[str]) -> list[str]:
    """The terms in lower case with single spaces, each once.

    Raises:
        InputError: One of them is empty.
    """
    cleaned = list(dict.fromkeys(" ".join(term.lower().split()) for term in terms))
    if "" in cleaned:
        raise InputError("A term is empty.")
    return cleaned


def prompts_of(terms: Sequence[str], trained: Trained, modality: str) -> tuple[dict[str, str], list[str]]:
    """Of each term the text to ask the model with, and sentences on those that differ.

    A term may be given by its code, too: "UBERON:0002107", "SCT 64033007 left".

    Args:
        terms: From `clean_terms`.
        trained: What the model was trained on.
        modality: Of the scan.

    Raises:
        InputError: Two of them mean the same.
    """
    trained = set(trained)
    if all((term, modality) in trained for term in terms):
        return {term: term for term in terms}, []
    vocabulary = Vocabulary(knowledge_tree(), sorted(trained))
    prompts, notes = {}, []
    for term in terms:
        names = [term] if (term, modality) in trained else _names(term, vocabulary, modality)
        prompts[term] = names[0]
        if names[0] != term:
            others = f" (it may also mean {', '.join(names[1:])}: ask for that by name)" if names[1:] else ""
            notes.append(f'"{term}" is asked for as "{names[0]}"{others}.')
    for prompt, count in Counter(prompts.values()).items():
        if count > 1:
            same = " and ".join(f'"{term}"' for term in prompts if prompts[term] == prompt)
            raise InputError(f"{same} mean the same; ask for one of them.")
    return prompts, notes


def _names(term: str, vocabulary: Vocabulary, modality: str) -> list[str]:
    """The names a model knows for what a name or a code stands for, the likeliest first; else what it is called.

    Raises:
        InputError: Nothing has the code.
    """
    coded = terms_of_written(term)
    if coded is None:
        meant = term_index().meant(term, vocabulary, modality)
        return [vocabulary.prompt(one, modality) for one in meant] or [term]
    if not coded:
        raise InputError(f'No structure has the code "{term}"; ask for it by name.')
    known = [vocabulary.prompt(one, modality) for one in coded if modality in vocabulary.modalities(one)]
    # the published models know SAT's own name
    return known or [(*coded[0].prompts, coded[0].name.lower())[0]]


def free_text(prompts: dict[str, str], trained: Trained, modality: str, model: str) -> dict[str, str]:
    """The terms of `prompts_of` that a model was not trained on for a modality, with a sentence each.

    Empty where the model does not say what it was trained on.
    """
    if not trained:
        return {}
    known = [term for term, its_modality in trained if its_modality == modality]
    sentences = {}
    for term, prompt in prompts.items():
        if prompt not in known:
            near = get_close_matches(term, known, 3, 0.7)
            hint = f"; near are {', '.join(near)}" if near else ""
            sentences[term] = f'"{term}" is free text: {model} was not trained on it for {modality}{hint}.'
    return sentences
