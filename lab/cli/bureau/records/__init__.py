"""``lab bureau records`` and ``lab bureau enterprise``: what the bureau holds of enterprises."""
