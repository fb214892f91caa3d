"""Limits on what a kernel uses, enforced by control groups or by a watchdog that looks."""
