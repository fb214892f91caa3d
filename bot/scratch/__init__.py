"""Work on what strangers have sent, in kernels that belong to nobody: cards of files, drawings of outputs."""
