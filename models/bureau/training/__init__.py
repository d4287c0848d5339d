"""Training a model from a pilot sample in clear."""
