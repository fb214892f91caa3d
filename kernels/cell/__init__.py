"""One cell, from its code to its result: what happens while it runs, folded and bounded."""
