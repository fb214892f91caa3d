"""What goes on across restarts: turns that an earlier program began, kernels that are gone."""
