"""``lab request``: an organisation asks a bureau for data."""
