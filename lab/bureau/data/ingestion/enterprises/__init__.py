"""Which enterprise a row is about: unified social credit codes, and the codes that came before them.

Names are never keys: a row without a code is set aside.
"""

from lab.bureau.data.ingestion.enterprises.identification import IdentifiedEnterprises, identify_enterprises
from lab.bureau.data.ingestion.enterprises.legacy_codes import (
    LegacyCodes,
    LegacyImport,
    current_legacy_codes,
    import_legacy_codes,
)

__all__ = [
    "IdentifiedEnterprises",
    "LegacyCodes",
    "LegacyImport",
    "current_legacy_codes",
    "identify_enterprises",
    "import_legacy_codes",
]
