"""Authentication: of a bank by its signature, of a person by a sign-in."""
