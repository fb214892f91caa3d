"""What scratch kernels do, which are nobody's: cards that describe files, and pictures."""
