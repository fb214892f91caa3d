"""What `make` does before anything runs: the environments, fonts, and locks."""
