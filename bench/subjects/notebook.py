"""A long session written as a notebook, compared with nbformat writing the same cells."""

import base64
import random
import struct
import zlib

import nbformat

from bench.ground import Ground
from bench.measure import Figure, interleaved, milliseconds
from kernels.notebooks.cells import Code, Markdown
from kernels.notebooks.notebook import write

__all__ = ["figures"]

CELLS, PICTURES = 500, 100
SIDE = 100  # pixels of a picture: 30 kB of noise, the size of a usual plot
TABLE = "<table><tr><td>1</td><td>2</td></tr></table>"


async def figures(ground: Ground) -> list[Figure]:
    """The time from cells in memory to the bytes of the file, which for nbformat includes validating it."""
    cells = [_cell(number) for number in range(CELLS)]

    async def ours() -> None:
        write(cells)

    async def plain() -> None:
        written = [_plain(number, cell) for number, cell in enumerate(cells)]
        book = {"cells": written, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        nbformat.writes(nbformat.from_dict(book))  # type: ignore[no-untyped-call]

    samples = await interleaved(
        lambda: milliseconds(ours()), lambda: milliseconds(plain()), ground.scale.notebooks
    )
    return [Figure(f"notebook, {CELLS} cells, {PICTURES} pictures", "ms", samples, "nbformat", "<= 1,000 ms")]


def _cell(number: int) -> Markdown | Code:
    """Of every five cells, one is words and one has a picture."""
    every = CELLS // PICTURES
    if number % every == 1:
        return Markdown(f"Step {number}: **plot** what was computed.", "Ada")
    if number % every == 0:
        data = {"image/png": _picture(number), "text/plain": "<Figure size 640x480>"}
        output: dict[str, object] = {"output_type": "display_data", "data": data, "metadata": {}}
    elif number % every == 2:
        output = {"output_type": "stream", "name": "stdout", "text": f"line {number}\n" * 20}
    else:
        data = {"text/html": TABLE, "text/plain": "1  2"}
        output = {"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": number}
    return Code(f"x = {number}\nx + 1", (output,), number)


def _plain(number: int, cell: Markdown | Code) -> dict[str, object]:
    """The cell as nbformat v4 has it."""
    shared: dict[str, object] = {"id": f"cell-{number}", "metadata": {}}
    if isinstance(cell, Markdown):
        return shared | {"cell_type": "markdown", "source": cell.text}
    code = {"cell_type": "code", "source": cell.code, "execution_count": cell.count}
    return shared | code | {"outputs": list(cell.outputs)}


def _picture(seed: int) -> str:
    """A PNG picture of noise, in base64 (https://www.w3.org/TR/png-3/)."""
    noise = random.Random(seed)
    rows = b"".join(b"\0" + noise.randbytes(3 * SIDE) for _ in range(SIDE))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return base64.b64encode(png).decode()
