"""``lab bureau records``, ``enterprise``, ``mapping``, ``legacy-codes``: what departments deliver, and what is held."""
