"""Benchmarks: both parties run as commands on large made-up files."""
