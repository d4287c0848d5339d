"""What one cell can be: a number, a date, yes or no, a category, or a number or day that stands for no value."""
