"""Commands on the bureau's own machine: its folder, register, models and keys."""
