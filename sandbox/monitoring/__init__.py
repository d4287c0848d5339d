"""The service's log and its figures for Prometheus."""
