"""The REST routes, a module for each resource; importing this package fills `table.ROUTES`."""

from tests.loopback.rest.routes import (
    callbacks,
    channels,
    commands,
    messages,
    reactions,
    threads,
    users,
    webhooks,
)

__all__ = ["callbacks", "channels", "commands", "messages", "reactions", "threads", "users", "webhooks"]
