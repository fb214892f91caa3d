"""An answer on Discord, from its first message to its last state, also after a restart."""
