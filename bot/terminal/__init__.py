"""The terminal: a person at the keyboard, a script, or JSON lines."""
