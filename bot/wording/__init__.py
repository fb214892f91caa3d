"""What people read where something went wrong or has to be decided, whatever the front."""
