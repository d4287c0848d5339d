"""The data-use contract: its document, its clauses in plain language, proposals, and its ODRL form."""
