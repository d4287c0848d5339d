"""Search over a catalogue, in both languages: names, definitions, codes and their words, owners, legal basis."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from lab.bureau.data.catalogue.item_definition import Catalogue, Domain, Item

_CODE, _NAME, _DEFINITION, _VALUE, _CONTEXT = 16, 8, 4, 2, 1
"""How much a word counts by where it is found; equal to a whole code or name counts double."""


@dataclass(frozen=True, slots=True)
class CatalogueMatch:
    """A domain (``item`` is None) or an item that was found, and how well it fits: more is better."""

    domain: Domain
    item: Item | None
    score: int

    @property
    def code(self) -> str:
        """The code of what was found."""
        return self.domain.code if self.item is None else self.item.code


def search_catalogue(catalogue: Catalogue, query: str, *, limit: int = 50) -> tuple[CatalogueMatch, ...]:
    """Domains and items in which every word of ``query`` is found, best first; without a word, nothing.

    Width and case do not count (NFKC). A word may be a part of what is found, as Chinese has no spaces.
    """
    words = [_fold(word) for word in query.split()]
    if not words:
        return ()
    found = [match for match in _candidates(catalogue, words) if match.score > 0]
    return tuple(sorted(found, key=lambda match: -match.score)[:limit])


def _candidates(catalogue: Catalogue, words: list[str]) -> Iterator[CatalogueMatch]:
    for domain in catalogue.domains:
        yield CatalogueMatch(domain, None, _score(words, _domain_texts(domain)))
        context = [(_CONTEXT, text) for weight, text in _domain_texts(domain)]
        for item in domain.items:
            own = _item_texts(item)
            # What only the domain says of every item is no reason to show each of them.
            score = _score(words, own + context) if any(_score([word], own) for word in words) else 0
            yield CatalogueMatch(domain, item, score)


def _domain_texts(domain: Domain) -> list[tuple[int, str]]:
    texts = [(_CODE, domain.code), (_NAME, domain.zh), (_NAME, domain.en)]
    texts += [(_CONTEXT, domain.owner_zh), (_CONTEXT, domain.owner_en), (_CONTEXT, domain.frequency)]
    return [(weight, _fold(text)) for weight, text in texts]


def _item_texts(item: Item) -> list[tuple[int, str]]:
    texts = [(_CODE, item.code), (_CODE, item.name), (_NAME, item.zh), (_NAME, item.en)]
    texts += [(_DEFINITION, text) for text in item.definition]
    texts += [(_VALUE, text) for code, words in item.codes.items() for text in (code, *words)]
    texts += [(_CONTEXT, item.legal_basis), (_CONTEXT, item.grade), (_CONTEXT, item.unit), (_CONTEXT, item.type)]
    return [(weight, _fold(text)) for weight, text in texts]


def _score(words: list[str], texts: list[tuple[int, str]]) -> int:
    """The sum of the best place of each word; 0 if one is nowhere."""
    best = [max((weight * (1 + (text == word)) for weight, text in texts if word in text), default=0) for word in words]
    return sum(best) if all(best) else 0


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
