"""Buttons and forms: what they do, and who may use them."""
