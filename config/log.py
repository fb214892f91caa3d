"""The log: standard error, one line a record, whatever the record says.

    configure(settings.log_level, settings.secrets)

    log.info("the cell is interrupted", extra={"session": session_id, "cell": 3})

A line ends with the ids that its record has, the same ones in the bot and in a node:
`[session=u1 cell=3 turn=5f0c9a1e]`.
A record may hold what a stranger wrote, so control and format characters are escaped: none ends a line,
colours it or turns its direction. Secrets are blanked out, also where a library's error quotes them.
"""

import logging
import sys
import unicodedata
from collections.abc import Iterable

__all__ = ["OneLine", "configure"]

IDS = ("session", "cell", "turn")  # a record's own fields that say what it is about
# At "debug" they log all that people write: messages, answers to a password's question, prompts.
TALKATIVE = ("nextcord", "openai", "httpx2", "httpcore2", "pymongo")
ESCAPED = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, format characters, lone surrogates, separators


class OneLine(logging.Formatter):
    """A record as one line of text that shows none of `secrets`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secrets = tuple(secret for secret in secrets if secret)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        """The message, with the record's ids."""
        ids = " ".join(f"{name}={value}" for name in IDS if (value := getattr(record, name, None)))
        return super().formatMessage(record) + (f" [{ids}]" if ids else "")

    def format(self, record: logging.LogRecord) -> str:
        """The line, its traceback included."""
        line = super().format(record)
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return "".join(
            letter.encode("unicode_escape").decode() if unicodedata.category(letter) in ESCAPED else letter
            for letter in line
        )


def configure(level: str = "warning", secrets: Iterable[str] = ()) -> None:
    """Sends every record of `level` ("debug" to "error") and above to standard error.

    Of libraries that would log what people write, nothing below "info".
    """
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(OneLine(secrets))
    logging.basicConfig(level=level.upper(), handlers=[output], force=True)
    for library in TALKATIVE:
        logging.getLogger(library).setLevel(max(logging.INFO, logging.getLogger().level))
