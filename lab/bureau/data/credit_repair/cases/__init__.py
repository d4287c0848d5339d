"""Cases of repair and objection: their states, what is stored, and the record that each is about."""
