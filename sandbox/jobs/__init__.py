"""Runs jobs: each charged batch is a durable workflow, which a process of the bureau completes."""

from sandbox.jobs.batch_workflows import BatchWorkflows

__all__ = ["BatchWorkflows"]
