"""Commands of data officers: contracts, through the bureau's service."""
