"""A person's variables as data: saved after a cell, and put back into another kernel."""
