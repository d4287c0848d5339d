"""The bureau's folder and its settings."""
