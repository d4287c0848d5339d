"""What the service does at intervals, without being asked."""
