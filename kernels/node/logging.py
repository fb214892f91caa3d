"""The node's log: where it goes, and what a line of it looks like.

    configure(settings, to_file=True)       # of a detached node: `log` in its folder, which is rotated
    configure(settings, to_file=False)      # of one that was started by hand: standard error

A record is one line, followed by its traceback. The line ends with the ids of what it is about, which are the
same in the bot's log: `[session=u1 cell=3 turn=5f0c9a1e]`. Control characters from strangers are escaped, and
no record contains the token.
"""

import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tornado import web

from kernels.node.settings import NodeSettings
from kernels.text.visible import escaped

__all__ = ["LOG", "NO_ROOM", "access", "configure"]

LOG = "log"  # in the node's folder
LARGEST, OLDER = 4 << 20, 3  # bytes of it, and of each earlier one, which are this many: log.1 is the newest
IDS = ("session", "cell", "turn")
NO_ROOM = 507  # HTTP: in a workspace
PATH = 100  # characters of a request's path that are logged


def configure(settings: NodeSettings, *, to_file: bool, largest: int = LARGEST) -> None:
    """Write every record of the settings' level and above to the log, a file of at most `largest` bytes."""
    output = _Rotating(settings.folder / LOG, largest) if to_file else logging.StreamHandler()
    output.setFormatter(_OneLine(settings.token))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[output], force=True)


def access(handler: web.RequestHandler) -> None:
    """Log a request that was refused or failed, without its headers and query, and never at length.

    Anybody can make requests that are refused, as often as they like, so those are logged at "debug". So are
    those for a file that does not fit into a workspace: a cell can ask for one without end.
    """
    status = handler.get_status()
    level = logging.ERROR if status >= 500 and status != NO_ROOM else logging.DEBUG
    method, path = str(handler.request.method), str(handler.request.path)
    logging.getLogger(__name__).log(level, "%s %s was answered with %d", method[:10], path[:PATH], status)


class _Rotating(RotatingFileHandler):
    """A log of limited size, which also gets what the system or a library writes to standard error."""

    def __init__(self, path: Path, largest: int) -> None:
        super().__init__(
            path, maxBytes=largest, backupCount=OLDER, encoding="utf-8", errors="backslashreplace"
        )
        self._follow()

    def doRollover(self) -> None:  # noqa: N802  logging's name
        super().doRollover()
        self._follow()

    def _follow(self) -> None:
        if self.stream is not None:
            os.dup2(self.stream.fileno(), 2)

    def _open(self) -> Any:
        return open(self.baseFilename, "a", encoding="utf-8", errors=self.errors, opener=_private)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class _OneLine(logging.Formatter):
    """A message on one line, followed by its traceback. Control characters from strangers are escaped.

    `secret` is removed, also as it is quoted in addresses: at "debug", Jupyter logs its configuration.
    """

    def __init__(self, secret: str) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secrets = {secret, quote(secret), repr(secret)[1:-1]}

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        ids = " ".join(f"{name}={value}" for name in IDS if (value := getattr(record, name, None)))
        return escaped(super().formatMessage(record) + (f" [{ids}]" if ids else ""))

    def formatException(self, ei: Any) -> str:  # noqa: N802  logging's name
        return "\n".join(map(escaped, super().formatException(ei).split("\n")))
