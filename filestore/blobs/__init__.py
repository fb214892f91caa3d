"""The bytes of files, on the disk."""
