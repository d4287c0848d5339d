"""Public keys and what is signed with them: parties, fingerprints, signatures, succession; and sealing at rest."""
