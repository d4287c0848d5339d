"""Commands that run both parties on one machine: demo, trial and bench."""
