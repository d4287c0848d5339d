"""The SELECT of a feature: parsed, checked against a closed list of words, bound to the columns it declares."""

from lab.bureau.data.features.sql.binding import check_binding
from lab.bureau.data.features.sql.refusals import refuse
from lab.bureau.data.features.sql.statement import Select, parse_select, write_select
from lab.bureau.data.features.sql.tree_check import check_tree

__all__ = ["Select", "check_binding", "check_tree", "parse_select", "refuse", "write_select"]
