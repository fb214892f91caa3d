"""Draws what chat cannot show (LaTeX, SVG, wide tables) as PNG, in a sandboxed scratch kernel.

renderer = Renderer(sessions.pool)
drawn = await renderer.draw(draft.drawings()(), user_id)       # {key: PNG}
"""

import asyncio
import base64
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Literal

from bot.scheduling.slots import Slots
from bot.scratch.kernel import ScratchKernel
from kernels.interface import Kernels
from kernels.workspace.folder import scratch_id

__all__ = ["Renderer", "ToDraw"]

SLOTS = 2  # people whose pictures are drawn at a time, and one more if that takes long
TIME = 20.0  # seconds for all pictures of an answer, and as many before that to get a slot
MOST = 20  # pictures of an answer that are drawn
LONGEST = 2 << 20  # characters of a source
LARGEST = 8 << 20  # bytes of a picture
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class ToDraw:
    """Something to draw: `source` is LaTeX, SVG, or the HTML of a table."""

    key: int
    kind: Literal["latex", "svg", "table"]
    source: str


class Renderer:
    """Draws pictures for a few answers at a time, each in a scratch kernel."""

    def __init__(self, kernels: Kernels) -> None:
        self._slots = Slots(SLOTS, each=1)
        self._free = deque(
            ScratchKernel(kernels, scratch_id(f"renderer-{number}")) for number in range(SLOTS + 1)
        )

    async def draw(self, items: Sequence[ToDraw], user_id: int) -> dict[int, bytes]:
        """PNGs by key. The answers of one person are drawn one after the other.

        What cannot be drawn, or not in time, is left out, without an exception.
        """
        tasks = {
            str(item.key): {"kind": item.kind, "source": item.source}
            for item in items[:MOST]
            if len(item.source) <= LONGEST
        }
        if not tasks:
            return {}
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(TIME):
                    await stack.enter_async_context(self._slots.one(user_id))
            except TimeoutError:
                return {}
            scratch = self._free.popleft()
            stack.callback(self._free.append, scratch)
            shown = await scratch.work("drawing", tasks, {}, seconds=TIME)
        pictures = {int(key): _decoded(bundle.get("image/png")) for key, bundle in shown.items()}
        return {key: picture for key, picture in pictures.items() if picture is not None}

    async def clean(self) -> None:
        """Delete what is left of people's outputs in kernels that draw nothing now: a kill leaves them there.

        Raises: KernelError, OSError.
        """
        for scratch in tuple(self._free):
            await scratch.clean()


def _decoded(value: object) -> bytes | None:
    """A PNG of a reasonable size, or None: anything may come out of the sandbox."""
    if not isinstance(value, str) or len(value) > LARGEST * 4 // 3:
        return None
    try:
        data = base64.b64decode(value)
    except ValueError:
        return None
    return data if data.startswith(PNG) else None
