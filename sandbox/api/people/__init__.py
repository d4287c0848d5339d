"""Routes for people who have signed in."""
