"""Libraries that find what they expect, though the kernel is confined."""
