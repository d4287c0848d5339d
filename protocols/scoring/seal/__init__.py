"""Microsoft SEAL through TenSEAL: its binding, its format, and the cost of its operations."""
