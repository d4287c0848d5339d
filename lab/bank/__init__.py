"""What runs inside the bank. Nothing here imports the bureau's rooms, and only ``outlet`` talks to anybody."""
