"""Work beside the event loop: in threads, to its end though it is cancelled, or for good."""
