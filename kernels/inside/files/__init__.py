"""Stored files in a cell, and files that a cell leaves open or elsewhere."""
