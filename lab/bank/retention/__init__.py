"""What the bank keeps past its time, and removing it."""
