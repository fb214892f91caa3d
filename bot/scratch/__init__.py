"""Work in kernels of nobody: cards of files and drawn outputs, on what strangers have sent."""
