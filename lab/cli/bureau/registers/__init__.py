"""Commands on registers that are made from records: features, publication, quality."""
