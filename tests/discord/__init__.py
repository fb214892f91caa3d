"""The bot on a loopback Discord."""
