"""The log: one line on standard error for each record, whatever the record contains.

    configure(settings.log_level, settings.secrets)

    log.info("the cell is interrupted", extra={"session": session_id, "cell": 3})

A line ends with the ids of its record, which are the same in the bot and in a node: `[session=u1 cell=3
turn=5f0c9a1e]`. A record may contain what a stranger wrote, so control and format characters are escaped:
none can end the line, colour it or reverse its direction. Secrets are replaced, even where a library's error
quotes them.
"""

import logging
import sys
import unicodedata
from collections.abc import Iterable

__all__ = ["OneLine", "configure"]

IDS = ("session", "cell", "turn")  # fields of a record that say what it is about
# At "debug" these log everything that people write: messages, passwords that a cell asks for, prompts.
TALKATIVE = ("nextcord", "openai", "httpx2", "httpcore2", "pymongo")
ESCAPED = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, format characters, lone surrogates, separators


class OneLine(logging.Formatter):
    """Formats a record as one line that contains none of `secrets`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secrets = tuple(secret for secret in secrets if secret)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        """The message, with the ids of its record."""
        ids = " ".join(f"{name}={value}" for name in IDS if (value := getattr(record, name, None)))
        return super().formatMessage(record) + (f" [{ids}]" if ids else "")

    def format(self, record: logging.LogRecord) -> str:
        """The line, including a traceback."""
        line = super().format(record)
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return "".join(
            letter.encode("unicode_escape").decode() if unicodedata.category(letter) in ESCAPED else letter
            for letter in line
        )


def configure(level: str = "warning", secrets: Iterable[str] = ()) -> None:
    """Send every record of `level` ("debug" to "error") and above to standard error.

    Libraries that would log what people write log nothing below "info".
    """
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(OneLine(secrets))
    logging.basicConfig(level=level.upper(), handlers=[output], force=True)
    for library in TALKATIVE:
        logging.getLogger(library).setLevel(max(logging.INFO, logging.getLogger().level))
