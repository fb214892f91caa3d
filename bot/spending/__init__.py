"""What turns cost, and how much a person may spend in a day."""
