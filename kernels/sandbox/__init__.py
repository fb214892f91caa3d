"""Confinement of kernels: what they may reach (`policy`), and who sees to it. `python -m kernels.sandbox` tells."""
