"""Commands of data stewards: consents of enterprises."""
