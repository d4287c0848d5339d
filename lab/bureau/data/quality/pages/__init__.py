"""The report of an assessment as one page."""

from lab.bureau.data.quality.pages.quality_page import render_quality_page

__all__ = ["render_quality_page"]
