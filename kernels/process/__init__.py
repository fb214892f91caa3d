"""A kernel's process: how it is started, found again, and seen to its end."""
