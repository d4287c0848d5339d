"""Portraits of finished runs, as pages and in the terminal. Nothing is sent."""
