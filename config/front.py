"""`python -m config.front` prints which program `make run` starts: `bot` with a token, else `bot.console`.

It reads only the token, because loading all settings would take a second.
"""

import os

from config.envfile import read
from config.errors import InvalidSettings

__all__ = ["front"]


def front() -> str:
    """The module to start. If the file cannot be read, the terminal program says so."""
    try:
        told = [*read().items(), *os.environ.items()]
    except InvalidSettings:
        told = []
    has_token = any(name.upper() == "DISCORD_TOKEN" and value for name, value in told)
    return "bot" if has_token else "bot.console"


if __name__ == "__main__":
    print(front())
