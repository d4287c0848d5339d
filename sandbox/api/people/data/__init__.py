"""What people do with the bureau's data through the service: a module for each subject."""

"""Routes of people who work with the bureau's data: the catalogue, enterprises, credit repair, requests for data."""
