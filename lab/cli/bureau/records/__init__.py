"""``lab bureau records``, ``mapping`` and ``legacy-codes``: what departments deliver, and what became of it."""
