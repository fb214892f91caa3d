"""Work beside the event loop: in threads, past a cancellation, for good, or a few at a time."""
