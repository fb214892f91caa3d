"""Adjusts libraries, so that they find what they expect although the kernel is confined."""
