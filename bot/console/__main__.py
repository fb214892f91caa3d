"""Kernelcord without Discord: `python -m bot.console` for a person, `--json` for a program."""

import argparse
import asyncio
import sys

from bot.compose import compose
from bot.console.jsonl import JsonLines, standard_input
from bot.console.show import Screen
from bot.console.terminal import Terminal
from bot.errors import BotError
from bot.failures import sentence
from config import log
from config.settings import Settings, add_flags, from_args
from filestore.errors import FileStoreError

USER_ID = 1  # whoever sits at the terminal


async def serve_json(settings: Settings) -> bool:
    """Answer JSON lines until standard input ends."""
    async with compose(settings) as sessions:
        front = JsonLines(sessions)
        sessions.tell_late = front.tell_late
        await front.serve(standard_input())
    return True


async def serve_person(settings: Settings) -> bool:
    """Talk with whoever is at the terminal, or run the script on standard input."""
    screen = Screen(settings.data / "pictures", colour=sys.stdout.isatty())
    async with compose(settings) as sessions:
        terminal = Terminal(sessions, screen, user_id=USER_ID)
        sessions.tell_late = terminal.tell_late
        if sys.stdin.isatty():
            await terminal.talk(settings.data / "history")
            return True
        script = await asyncio.to_thread(sys.stdin.read)
        if not script.strip():
            screen.note("Kernelcord is set up. Run it at a terminal, or give it code on standard input.")
        return await terminal.read(script)


def main() -> int:
    """The program; its exit status is 0, 1 when a cell of a script failed, 2 when it could not start."""
    parser = argparse.ArgumentParser(prog="python -m bot.console", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line in and out")
    add_flags(parser)
    args = parser.parse_args()
    settings = from_args(args, cell_timeout=None)
    log.configure(settings.log_level, secrets=settings.secrets)
    try:
        return 0 if asyncio.run((serve_json if args.json else serve_person)(settings)) else 1
    except (BotError, FileStoreError, OSError) as error:
        print(sentence(error), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
