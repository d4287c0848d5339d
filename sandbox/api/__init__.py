"""The routes: for banks, for people who have signed in, and public ones."""
