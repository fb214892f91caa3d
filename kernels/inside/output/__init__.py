"""What a kernel shows, on its way out."""
