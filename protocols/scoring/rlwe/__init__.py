"""Ring learning with errors: arithmetic in the ring, secret randomness, and polynomials from seeds."""
