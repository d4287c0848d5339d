"""Runs on disk: what a job has left, its metadata, results and batches."""
