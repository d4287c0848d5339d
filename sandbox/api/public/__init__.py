"""Routes that anyone may call, and those that need a token instead of a signature."""
