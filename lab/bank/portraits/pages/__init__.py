"""Portraits, overviews and comparisons of runs, as pages and in the terminal."""
