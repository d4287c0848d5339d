"""Recording in the ledger that settings changed: which, never their values.

The entry contains a short keyed hash of each setting, so that the next start finds what differs. The key never leaves
the bureau, so that nobody can find a value by trying.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from pydantic_settings import BaseSettings
from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.ledger.entries import record
from lab.bureau.store import Database
from lab.bureau.store.tables import LedgerEntryRow
from lab.terms.ledger.tree import LedgerEntry

_KIND = "configuration.changed"


def record_configuration_change(
    store: Database,
    of: str,
    settings: BaseSettings,
    hash_settings: Callable[[Sequence[str]], Sequence[str]],
    *,
    by: str,
) -> LedgerEntry | None:
    """Record the settings of ``of`` (``bureau``, ``service``) if they differ from those recorded last, or return None.

    ``hash_settings`` is ``BureauKeys.hash_settings``: a keyed hash of each text. The first time, all settings count as
    changed.
    """
    values = {name: getattr(settings, name) for name in sorted(type(settings).model_fields)}
    texts = [f"setting {of} {name} {json.dumps(value, default=_plain)}" for name, value in values.items()]
    present = dict(zip(values, hash_settings(texts), strict=True))
    with store.begin_read() as session:
        if _last(session, of) == present:
            return None
    with store.begin() as session:
        before = _last(session, of)
        if before == present:
            return None
        changed = sorted(name for name in {*before, *present} if before.get(name) != present.get(name))
        hashes = [f"{name}={value}" for name, value in present.items()]
        return record(session, _KIND, None, {"of": of, "changed": changed, "settings": hashes}, by=by)


def _last(session: Session, of: str) -> Mapping[str, str]:
    query = select(LedgerEntryRow.body).where(LedgerEntryRow.kind == _KIND).order_by(LedgerEntryRow.seq.desc())
    with session.scalars(query, execution_options={"yield_per": 10}) as bodies:
        for body in bodies:
            facts = json.loads(body)["facts"]
            if facts["of"] == of:
                return dict(pair.split("=", 1) for pair in facts["settings"])
    return {}


def _plain(value: object) -> str:
    """Paths, secrets and the like as text; a secret's ``str`` would always be the same stars."""
    reveal = getattr(value, "get_secret_value", None)
    return str(reveal()) if callable(reveal) else str(value)
