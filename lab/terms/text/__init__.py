"""Text from outside, shown to a person whole."""
