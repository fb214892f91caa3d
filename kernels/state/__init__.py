"""Saved variables: what a session's kernel saves after its cells, kept as bytes that nobody here reads."""
