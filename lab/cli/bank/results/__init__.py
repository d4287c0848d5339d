"""What a bank has of its runs: listed, shown, drawn as portraits, written once more."""
