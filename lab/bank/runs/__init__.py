"""Runs: what a job is asked for, what it works with, and what it leaves on disk."""
