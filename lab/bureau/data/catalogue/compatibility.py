"""Whether a new catalogue still describes the records that are held: what it leaves out, and what it shapes anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lab.bureau.data.catalogue.item_definition import Catalogue, Domain
from lab.terms.errors import Conflict

_MOST_NAMED = 10


def find_dropped(before: Catalogue, after: Catalogue) -> tuple[str, ...]:
    """Codes of domains and items that ``after`` does not have any more."""
    domains = {domain.code for domain in after.domains}
    items = {item.code for item in after.items}
    return (
        *(domain.code for domain in before.domains if domain.code not in domains),
        *(item.code for item in before.items if item.domain in domains and item.code not in items),
    )


def find_reshaped(earlier: Iterable[Catalogue], after: Catalogue) -> tuple[str, ...]:
    """Codes of domains whose key or days, and of items whose type or personal mark, any of ``earlier`` says otherwise.
    Of a catalogue that identifies enterprises otherwise these are all domains.

    Records are identified by the key, stored under the type, and kept apart if they are personal.
    """
    after_domains = {domain.code: _domain_shape(domain) for domain in after.domains}
    after_items = {item.code: (item.type, item.personal) for item in after.items}
    found: dict[str, None] = {}
    for catalogue in earlier:
        if catalogue.id_kind != after.id_kind:
            found |= dict.fromkeys(domain.code for domain in catalogue.domains)
        for domain in catalogue.domains:
            if after_domains.get(domain.code, _domain_shape(domain)) != _domain_shape(domain):
                found[domain.code] = None
        for item in catalogue.items:
            if after_items.get(item.code, (item.type, item.personal)) != (item.type, item.personal):
                found[item.code] = None
    return tuple(found)


def check_held_records(dropped: Sequence[str], reshaped: Sequence[str], held: frozenset[str], reason: str) -> None:
    """Raise ``Conflict`` if records are held of what is dropped and there is no reason, or of what is reshaped.

    ``held``: codes of the domains of which records are held.
    """
    if needed := _of_domains(reshaped, held):
        raise Conflict(
            f"Records are held under another key, type or personal mark of: {_name_some(needed)}.",
            next_step="leave these as they were, and give what is new a new name",
        )
    if (needed := _of_domains(dropped, held)) and not reason:
        raise Conflict(
            f"Records are held of what the new catalogue leaves out: {_name_some(needed)}.",
            next_step="put them back, or say why with --reason",
        )


def _domain_shape(domain: Domain) -> tuple[object, ...]:
    return domain.grain, domain.key, domain.held_from, domain.held_to


def _of_domains(codes: Sequence[str], held: frozenset[str]) -> list[str]:
    return [code for code in codes if code.partition(".")[0] in held]


def _name_some(codes: Sequence[str]) -> str:
    return ", ".join(codes[:_MOST_NAMED]) + (", …" if len(codes) > _MOST_NAMED else "")
