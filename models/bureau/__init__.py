"""What stays at the bureau: forests, weights, the model, its card and its training."""
