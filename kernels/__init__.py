"""Run people's code in Jupyter kernels; `kernels.pool` is where to begin."""
