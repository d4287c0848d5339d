"""What surrounds every request: limits, middleware, problem documents."""
