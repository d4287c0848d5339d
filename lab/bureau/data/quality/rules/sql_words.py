"""The words that SQL of a rule file may use: a closed list, so that what a later DuckDB brings is refused until it is
added here.

An assessment gives the same answer to the same question. So there is no clock, no random number, no setting and no
sample; nor a function that waits, writes, fails by will, or makes a text or a list of any length from a number.
"""

from __future__ import annotations

_FUNCTIONS = """
    + - * / // % ^ ** || ~~ !~~ ~~* !~~* ~~~ & |
    abs round floor ceil ceiling trunc sign sqrt cbrt ln log log2 log10 exp pow power mod greatest least
    isfinite isinf isnan coalesce ifnull nullif if
    length strlen len lower upper trim ltrim rtrim substring substr left right concat replace reverse
    starts_with ends_with prefix suffix contains position strpos instr split_part ascii unicode ord
    regexp_matches regexp_full_match regexp_extract regexp_replace like_escape not_like_escape
    year month day quarter week isodow dayofweek dayofyear dayofmonth last_day date_part date_trunc date_diff datediff
    date_add date_sub datepart datetrunc make_date to_years to_months to_weeks to_days strftime strptime try_strptime
    list_contains list_value array_extract struct_extract struct_pack row
    count count_star count_if countif sum avg min max arg_max arg_min max_by min_by bool_or bool_and median
    quantile_cont quantile_disc stddev stddev_samp stddev_pop variance var_samp var_pop
    row_number rank dense_rank lag lead first_value last_value nth_value
    """
FUNCTIONS = frozenset(_FUNCTIONS.split())
_CAST_TYPES = """
    TINYINT SMALLINT INTEGER INT BIGINT HUGEINT FLOAT REAL DOUBLE DECIMAL NUMERIC BOOLEAN BOOL VARCHAR TEXT DATE
    TIMESTAMP INTERVAL
    """
CAST_TYPES = frozenset(_CAST_TYPES.split())
_EXPRESSIONS = """
    COLUMN_REF CONSTANT FUNCTION CASE CAST BETWEEN CONJUNCTION COMPARISON OPERATOR
    """
EXPRESSIONS = frozenset(_EXPRESSIONS.split())
"""The classes of expressions of a condition over one record."""
QUERY_EXPRESSIONS = EXPRESSIONS | {"STAR", "WINDOW", "SUBQUERY"}
"""Those of a table."""
TABLES = frozenset({"BASE_TABLE", "SUBQUERY", "JOIN"})
