"""Tables in text files: their encoding, their separator, and their rows."""
