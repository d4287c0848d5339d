"""What both sides mean by a word; pure, no input or output."""
