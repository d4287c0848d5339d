"""Made-up data: a city's register, a bank's portfolio, consents. Nobody's records."""
