"""Models at the bureau: trained on a pilot sample, kept, published, offered to banks."""
