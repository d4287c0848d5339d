"""Made-up data: a bureau's register, a bank's portfolio, consents. None of it is real."""
