"""Routes for people about the bureau's data."""
