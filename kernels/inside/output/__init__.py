"""Sends what a cell writes and displays, so that nothing is late, lost or too large."""
