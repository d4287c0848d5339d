"""What a person at the bank looks at: portraits and portfolio overviews, as pages and in the terminal."""
