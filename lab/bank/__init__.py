"""What runs inside the bank. Nothing here imports the bureau's rooms, and only ``client`` talks to anybody."""
