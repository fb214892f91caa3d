"""When work is done: a few pieces at a time, one per person, or at regular intervals."""
