"""The running service: the bureau's HTTP interface for banks, for its own people and for the public."""
