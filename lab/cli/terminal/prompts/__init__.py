"""What a person is asked at the terminal, and the answer is checked: fingerprints, passwords and passphrases."""
