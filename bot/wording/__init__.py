"""What people read when something went wrong or has to be decided, the same on every front."""
