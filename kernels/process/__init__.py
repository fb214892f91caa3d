"""A kernel's process: how it is launched, watched, found again, and ended."""
