"""Draws what chat cannot show: LaTeX, SVG and wide tables, as PNG, in a sandboxed kernel of nobody's.

studio = Studio(sessions.pool)
drawn = await studio.draw(draft.to_draw)        # {key: PNG}
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kernels.protocols import Kernels

__all__ = ["Studio", "ToDraw"]


@dataclass(frozen=True, slots=True)
class ToDraw:
    """Something to be drawn. `source` is LaTeX, SVG, or of a table its HTML or its aligned text."""

    key: int
    kind: Literal["latex", "svg", "table"]
    source: str


class Studio:
    """Where pictures are drawn; a few at a time, each in a kernel that is thrown away."""

    def __init__(self, kernels: Kernels) -> None: ...

    async def draw(self, items: Sequence[ToDraw]) -> dict[int, bytes]:
        """PNGs by key. What cannot be drawn, or not in time, is left out; nothing of that is raised."""
        raise NotImplementedError
