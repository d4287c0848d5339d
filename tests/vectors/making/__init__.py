"""How the product makes the vectors."""
