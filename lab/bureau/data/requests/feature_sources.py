"""Which items of the catalogue each published feature is computed from."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lab.bureau.data.catalogue import load_items
from lab.bureau.store.tables import RegisterOriginRow


def feature_sources(session: Session) -> Mapping[str, frozenset[str]]:
    """Codes of catalogue items by the code of the feature, for the newest version of each register that was published
    from features."""
    found: dict[str, frozenset[str]] = {}
    newest = (
        select(RegisterOriginRow.register, func.max(RegisterOriginRow.version).label("version"))
        .group_by(RegisterOriginRow.register)
        .subquery()
    )
    query = select(RegisterOriginRow).join(
        newest,
        (RegisterOriginRow.register == newest.c.register) & (RegisterOriginRow.version == newest.c.version),
    )
    for row in session.scalars(query):
        codes = {column: item.code for column, item in load_items(session, row.register, row.version).items()}
        for column in json.loads(row.lineage):
            sources = frozenset(source["code"] for source in column["sources"])
            found[codes.get(column["column"], column["column"])] = sources
    return found
