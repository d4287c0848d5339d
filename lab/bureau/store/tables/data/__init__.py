"""Tables of the data side: catalogue, records, deliveries, quality, credit repair, requests, registers, consents."""
