"""How a process that the zygote has forked confines itself and becomes a kernel."""
