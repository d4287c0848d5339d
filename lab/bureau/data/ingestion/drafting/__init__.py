"""Drafting a mapping from a department's table, for a person to check."""

from lab.bureau.data.ingestion.drafting.draft_text import write_draft
from lab.bureau.data.ingestion.drafting.suggestion import MappingDraft, required_without_column, suggest_mapping

__all__ = ["MappingDraft", "required_without_column", "suggest_mapping", "write_draft"]
