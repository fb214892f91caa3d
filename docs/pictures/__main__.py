"""Plays the README's conversations and draws them: `python -m docs.pictures`, which is `make pictures`."""

import asyncio
import tempfile
from pathlib import Path

from docs.pictures.play import FOLDER, draw, play
from tests.nodes import end_nodes


async def main() -> None:
    """Play and draw all conversations."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        try:
            conversations = await play(data)
        finally:
            await end_nodes(data)
    for name, conversation in conversations.items():
        draw(conversation, FOLDER / f"{name}.png")


if __name__ == "__main__":
    asyncio.run(main())
