"""What all commands share on a terminal: output, help, option types, prompts."""
