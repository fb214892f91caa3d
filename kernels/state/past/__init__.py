"""The saves of a session as a way back: which there are, and what differs from them."""
