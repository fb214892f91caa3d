"""Turns a message into a reply. `turn.py` is the whole flow; `discord` and `terminal` are the fronts."""
