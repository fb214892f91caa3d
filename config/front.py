"""`python -m config.front` prints which program `make run` starts: `bot` with a token, else `bot.console`.

It reads no more than the token, without the second that all settings take to load.
"""

import os

from config.envfile import read
from config.errors import InvalidSettings

__all__ = ["front"]


def front() -> str:
    """The module to start. A file that cannot be read is told by the terminal."""
    try:
        told = [*read().items(), *os.environ.items()]
    except InvalidSettings:
        told = []
    has_token = any(name.upper() == "DISCORD_TOKEN" and value for name, value in told)
    return "bot" if has_token else "bot.console"


if __name__ == "__main__":
    print(front())
