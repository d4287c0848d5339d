"""What a field of a document or a request may hold."""
