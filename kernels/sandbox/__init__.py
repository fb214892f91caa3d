"""Confinement of kernels: `policy` says what they may reach, `python -m kernels.sandbox` what works here."""
