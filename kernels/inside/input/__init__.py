"""What cells ask the person, by `input()` or by reading standard input."""
