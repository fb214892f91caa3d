"""The Discord front: the only package that knows nextcord. `python -m bot` starts it."""
