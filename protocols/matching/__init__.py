"""Private set intersection; see README.md beside this file."""
