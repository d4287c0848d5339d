"""Routes for banks, by signed requests."""
