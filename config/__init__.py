"""How Kernelcord is set up: its settings, its logging, and the two Python environments it runs in.

Importing this package does nothing: `environments` must run on a bare Python, before anything is installed.
"""
