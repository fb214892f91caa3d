"""What turns take, and what a person may take in a day."""
