"""Benchmarks: each figure is compared with stock Jupyter or a plain tool in the same run (`make bench`)."""
