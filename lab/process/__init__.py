"""What a process does to itself before it works: no memory dumps, and garbage collected seldom."""
