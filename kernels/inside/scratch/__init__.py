"""What is done in kernels of nobody: cards and pictures."""
