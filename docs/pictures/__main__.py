"""Plays the README's conversations and draws them: `python -m docs.pictures`, which is `make pictures`."""

import asyncio
import os
import signal
import tempfile
from pathlib import Path

from docs.pictures.play import FOLDER, draw, play
from tests.nodes import node_pid


async def main() -> None:
    """Play and draw all of them."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        try:
            conversations = await play(data)
        finally:
            if (pid := node_pid(data)) is not None:
                os.kill(pid, signal.SIGTERM)
    for name, conversation in conversations.items():
        draw(conversation, FOLDER / f"{name}.png")


if __name__ == "__main__":
    asyncio.run(main())
