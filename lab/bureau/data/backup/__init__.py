"""Backups of the bureau: its database and the files that it names, as of one moment; and the way back."""
