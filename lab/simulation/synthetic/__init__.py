"""Made-up data: a town's register, a bank's portfolio, consents. None of it is real."""
