"""The bureau's secrets: where they are kept, what seals them, and the pseudonyms made with them."""
