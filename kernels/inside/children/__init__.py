"""Processes that a cell has started."""
