"""Homomorphic scoring; see README.md beside this file."""
