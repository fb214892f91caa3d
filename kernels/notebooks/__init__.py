"""Reads notebooks that anybody may have made, and writes notebooks that are safe to open."""
