"""Microsoft SEAL through tenseal: its binding, its format, and what its operations cost."""
