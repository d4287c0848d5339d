"""Commands of a bank. They reach nothing of the bureau."""
