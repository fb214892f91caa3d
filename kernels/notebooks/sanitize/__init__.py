"""Outputs of strangers as a notebook may hold them: nothing in them runs."""
