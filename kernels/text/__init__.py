"""Text from kernels: repaired, clipped, and drawn as a terminal would."""
