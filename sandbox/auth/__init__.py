"""Who calls: a bank by its signature, a person by a sign-in."""
