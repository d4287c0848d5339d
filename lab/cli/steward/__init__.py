"""Commands of data stewards: consents of enterprises, the catalogue."""
