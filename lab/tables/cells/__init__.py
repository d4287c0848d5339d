"""What people write in the cells of a table, and what it means: text, numbers, dates, yes and no, nothing.

Both parties read with this code, so a value means the same on both sides. Nothing is guessed for a single cell: the
convention of a column (its kind, its decimal mark, the order of day and month) comes from nearly all of its cells, is
kept with the model, and every cell that does not fit it is counted.
"""
