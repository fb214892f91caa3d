"""The README's pictures, and what draws them: `make pictures`, or `python -m docs.pictures`."""
