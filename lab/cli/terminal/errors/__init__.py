"""Errors as a person reads them: their language, what is shown of a library's, and streams that never fail."""
