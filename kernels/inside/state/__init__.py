"""The person's variables as data: saved after a cell, and back in the next kernel."""
