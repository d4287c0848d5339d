"""Credit repair: what the rules say of adverse records, cases of repair and objection, notices, and what no longer counts."""

from __future__ import annotations
