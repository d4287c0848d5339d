"""What the bureau holds of enterprises: catalogue, register, consents."""
