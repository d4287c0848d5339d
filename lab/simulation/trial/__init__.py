"""The trial: both parties' files on one machine, scored encrypted and in clear, and the report."""
