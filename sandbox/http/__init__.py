"""What every request passes through: limits, middleware, problem documents."""
