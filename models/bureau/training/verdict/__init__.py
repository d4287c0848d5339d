"""What a training's figures allow to conclude: differences beyond chance, columns that look like leaks."""
