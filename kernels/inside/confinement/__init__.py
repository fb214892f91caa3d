"""How a forked process confines itself and becomes a kernel."""
