"""Portraits of finished runs, and comparisons of them. Nothing is sent."""
