"""The bureau's data about enterprises: catalogue, register, consents."""
