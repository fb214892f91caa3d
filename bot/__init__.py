"""Turns a message into a reply. `turn.py` is the whole flow; a front (here `console`) calls it."""
