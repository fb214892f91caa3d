"""Draws what chat cannot show: LaTeX, SVG and wide tables, as PNG, in a sandboxed kernel of nobody's.

studio = Studio(sessions.pool)
drawn = await studio.draw(draft.to_draw)        # {key: PNG}
"""

import asyncio
import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bot.apart import Apart
from kernels.protocols import Kernels
from kernels.workspace import helper

__all__ = ["Studio", "ToDraw"]

PLACES = 2  # kernels that draw at one time
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
        self._free: asyncio.Queue[Apart] = asyncio.Queue()
        for number in range(PLACES):
            self._free.put_nowait(Apart(kernels, helper(f"studio-{number}")))

    async def draw(self, items: Sequence[ToDraw]) -> dict[int, bytes]:
        """PNGs by key. What cannot be drawn, or not in time, is left out; nothing of that is raised."""
        tasks = {
            str(item.key): {"kind": item.kind, "source": item.source}
            for item in items[:MOST]
            if len(item.source) <= LONGEST
        }
        if not tasks:
            return {}
        try:
            async with asyncio.timeout(TIME):
                apart = await self._free.get()
        except TimeoutError:
            return {}
        try:
            shown = await apart.work("drawing", tasks, {}, seconds=TIME)
        finally:
            self._free.put_nowait(apart)
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
