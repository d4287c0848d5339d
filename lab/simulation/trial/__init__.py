"""The trial: scores two parties' files on one machine, encrypted and in clear, and reports the comparison."""
