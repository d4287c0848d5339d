"""Text for people: in two languages, and with nothing hidden in it."""
