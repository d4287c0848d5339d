"""How data differ from those of the training: distributions of columns, shares, and the conventions of cells."""
