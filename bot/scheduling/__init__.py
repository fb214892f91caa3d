"""When work is done: a few pieces at once, one a person, or from time to time."""
