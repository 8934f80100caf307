"""Where the README's numbers come from: each module is a command of its own, and says what it measured on what."""
