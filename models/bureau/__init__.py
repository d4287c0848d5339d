"""What stays at the bureau: forests, weights, the model and its card."""
