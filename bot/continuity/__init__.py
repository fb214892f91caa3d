"""What continues across restarts: turns that an earlier program began, and the loss of kernels."""
