"""Limits on what a kernel uses, held by control groups or by looking."""
