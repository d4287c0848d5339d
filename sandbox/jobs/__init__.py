"""The running of jobs: each charged batch is a durable workflow, which some process of the bureau brings to its end."""

from sandbox.jobs.batch_workflows import BatchWorkflows

__all__ = ["BatchWorkflows"]
