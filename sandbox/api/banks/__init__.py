"""Routes for banks, which sign their requests."""
