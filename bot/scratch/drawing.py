"""Draws what chat cannot show: LaTeX, SVG and wide tables, as PNG, in a sandboxed kernel of nobody's.

studio = Studio(sessions.pool)
drawn = await studio.draw(draft.to_draw, user_id)       # {key: PNG}
"""

import asyncio
import base64
import binascii
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Literal

from bot.scheduling.slots import Places
from bot.scratch.kernel import Apart
from kernels.interface import Kernels
from kernels.workspace.folder import scratch_id

__all__ = ["Studio", "ToDraw"]

PLACES = 2  # people whose pictures are drawn at one time, and one more where it takes long
TIME = 20.0  # seconds for all pictures of an answer, and before that for a place to draw them
MOST = 20  # pictures of an answer that are drawn
LONGEST = 2 << 20  # characters of a source
LARGEST = 8 << 20  # bytes of a picture
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class ToDraw:
    """Something to be drawn: `source` is LaTeX, SVG, or the HTML of a table."""

    key: int
    kind: Literal["latex", "svg", "table"]
    source: str


class Studio:
    """Where pictures are drawn: for a few answers at a time, each in a kernel that is thrown away."""

    def __init__(self, kernels: Kernels) -> None:
        self._places = Places(PLACES, each=1)
        self._free = deque(Apart(kernels, scratch_id(f"studio-{number}")) for number in range(PLACES + 1))

    async def draw(self, items: Sequence[ToDraw], user_id: int) -> dict[int, bytes]:
        """PNGs by key; the answers of one person are drawn one after the other.

        What cannot be drawn, or not in time, is left out; nothing of that is raised.
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
                    await stack.enter_async_context(self._places.one(user_id))
            except TimeoutError:
                return {}
            apart = self._free.popleft()
            stack.callback(self._free.append, apart)
            shown = await apart.work("drawing", tasks, {}, seconds=TIME)
        pictures = {int(key): _decoded(bundle.get("image/png")) for key, bundle in shown.items()}
        return {key: picture for key, picture in pictures.items() if picture is not None}


def _decoded(value: object) -> bytes | None:
    """A PNG of a sensible size, or None: what comes out of the sandbox can be anything."""
    if not isinstance(value, str) or len(value) > LARGEST * 4 // 3:
        return None
    try:
        data = base64.b64decode(value)
    except (binascii.Error, ValueError):
        return None
    return data if data.startswith(PNG) else None
