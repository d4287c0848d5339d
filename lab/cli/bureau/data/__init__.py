"""Commands on the bureau's machine for its data: the catalogue, credit repair, yearly disclosure."""
