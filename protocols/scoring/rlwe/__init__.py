"""Ring learning with errors: randomness, expansion of seeds, and exact products."""
