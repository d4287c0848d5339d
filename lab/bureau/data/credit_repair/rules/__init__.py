"""The rules of credit repair as data, and the working days by which their terms are reckoned."""
