"""What runs within the kernel, by the kernels' own Python; it imports nothing of ours."""
