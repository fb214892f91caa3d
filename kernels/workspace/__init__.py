"""A session's folder: opened safely, scanned for what cells have written, watched, and removed."""
