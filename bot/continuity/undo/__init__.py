"""Cells that are taken back, and taken back again: undo, redo, checkpoints, and branches of a session."""
