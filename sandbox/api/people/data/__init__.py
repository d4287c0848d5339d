"""Routes of people who work with the bureau's data: the catalogue, enterprises, credit repair, requests for data."""
