"""What a process sets for itself at its start: no memory dumps, rare garbage collection."""
