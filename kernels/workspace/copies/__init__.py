"""What a workspace had: the list of its files, one of them written back, all of them copied."""
