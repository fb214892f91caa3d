"""The Discord bot: `python -m bot`, with DISCORD_TOKEN set.

It ends within ten seconds of SIGTERM, Ctrl-C or SIGHUP (unless nohup ignores that): nothing new is begun,
running cells get some time, every message reaches its final state, and kernels stay in their node.
"""

import argparse
import asyncio
import signal
import sys
import time
from typing import Any

from bot.compose import compose
from bot.discord.client import Client
from bot.discord.supervise import CannotServe, supervise
from bot.errors import BotError
from bot.sessions import Sessions
from bot.wording.error_messages import at_start
from config import log
from config.settings import Settings, add_flags, from_args
from filestore.errors import FileStoreError
from kernels.descriptors import raise_limit
from kernels.errors import KernelError

__all__ = ["main", "serve"]

UNSET = "DISCORD_TOKEN is not set: the README says how to get one. Without it use `python -m bot.console`."


async def serve(settings: Settings, stop: asyncio.Event, **options: Any) -> None:
    """Serve until `stop` is set; `options` go to the client. Raises: CannotServe, and as `compose`."""
    token = settings.discord_token.get_secret_value() if settings.discord_token else ""

    def connect(sessions: Sessions) -> Client:
        return Client(sessions, settings, time.monotonic, **options)

    async with compose(settings, connect) as sessions:
        client = sessions.front
        assert isinstance(client, Client)
        serving = asyncio.create_task(supervise(client, token), name="supervise")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            grace = settings.shutdown_grace.total_seconds()
            await client.drain(0.0 if serving.done() else grace)  # without Discord there is nobody to answer
        finally:
            for task in (serving, stopping):
                task.cancel()
            await asyncio.wait({serving, stopping})
            await client.end()
        if not serving.cancelled():
            serving.result()


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    for number in (signal.SIGTERM, signal.SIGINT, *([] if ignored else [signal.SIGHUP])):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(settings, stop)


def main() -> int:
    """Run the program; its exit status is 0, or 2 if it could not serve."""
    parser = argparse.ArgumentParser(prog="python -m bot", description=__doc__)
    add_flags(parser)
    settings = from_args(parser.parse_args())
    raise_limit()
    log.configure(settings.log_level, secrets=settings.secrets)
    if settings.discord_token is None:
        print(UNSET, file=sys.stderr)
        return 2
    try:
        asyncio.run(_serve(settings))
    except CannotServe as error:
        print(error, file=sys.stderr)
        return 2
    except (BotError, FileStoreError, KernelError, OSError) as error:
        print(at_start(error), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
