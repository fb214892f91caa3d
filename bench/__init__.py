"""Benchmarks, each figure beside stock Jupyter or the plain tool in the same run. `make bench` runs them."""
