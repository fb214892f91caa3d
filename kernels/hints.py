"""Puts a question about code that is being typed to a kernel: see `kernels.introspection`."""

import asyncio
from contextlib import suppress
from typing import Any

from kernels.cell.router import Router
from kernels.introspection import PATIENCE
from kernels.state.asking import AskedWire

__all__ = ["asked"]


async def asked(wire: AskedWire, router: Router, question: str, code: str, position: int) -> Any:
    """The content of a kernel's reply to a question; None if it does not come in time."""
    sent = wire.send("shell", f"{question}_request", {"code": code, "cursor_pos": position})
    with router.awaited(sent) as answer, suppress(TimeoutError):
        return await asyncio.wait_for(answer, PATIENCE)
    return None
