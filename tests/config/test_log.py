"""The log: one line a record, whatever is in it."""

import logging
import sys
from collections.abc import Iterator

import pytest

from config.log import OneLine, configure


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger, restored afterwards."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:], logger.level = handlers, level


def record(message: str, *args: object) -> logging.LogRecord:
    """A record as a logger makes it."""
    return logging.LogRecord("kernels.cell.run", logging.WARNING, "run.py", 1, message, args, None)


@pytest.mark.parametrize("hostile", ["\n", "\r", "\x1b[31m", "\x00", "\u2028", "\u202e", "\x85", "\ud800"])
def test_hostile_text_stays_in_its_line(hostile: str) -> None:
    """No text can end its line, colour it, change its direction, or fail to be written."""
    line = OneLine().format(record("file %s", f"a{hostile}2026-01-01 ERROR forged"))
    assert hostile not in line
    assert len(line.splitlines()) == 1
    assert line.encode()


def test_other_scripts_are_left_as_they_are() -> None:
    """A name is readable in the log, whatever its script."""
    assert OneLine().format(record("%s", "你好 مرحبا 😀")).endswith("WARNING kernels.cell.run: 你好 مرحبا 😀")


def test_traceback_is_in_the_same_line() -> None:
    """An exception's traceback is part of its record's one line."""
    try:
        raise ValueError("bad\nvalue")
    except ValueError:
        failed = record("failed")
        failed.exc_info = sys.exc_info()
    line = OneLine().format(failed)
    assert "ValueError: bad" in line
    assert "\n" not in line


def test_a_record_s_ids_end_its_line() -> None:
    """They say what the record is about; a hostile id cannot end the line either."""
    about = record("the cell is interrupted")
    about.session, about.cell = "u1\n", 3
    line = OneLine().format(about)
    assert line.endswith(r"the cell is interrupted [session=u1\n cell=3]")


def test_secrets_are_blanked_out() -> None:
    """A secret that a library quotes does not reach the log; an empty secret blanks out nothing."""
    line = OneLine(["mongodb://a:b@c", ""]).format(record("cannot reach %s", "mongodb://a:b@c/db"))
    assert line.endswith("cannot reach ***/db")


def test_records_go_to_standard_error(
    root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output belongs to the cells; records below the level are left out."""
    configure("warning")
    logging.getLogger("bot").warning("said")
    logging.getLogger("bot").info("not said")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "said" in err


def test_libraries_do_not_log_what_people_write(
    root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """At "debug" nextcord would log every event, even the answer to a getpass: our log has none of them."""
    configure("debug")
    for name in ("nextcord.gateway", "openai._base_client"):
        logging.getLogger(name).debug("swordfish")
    logging.getLogger("bot").debug("ours")
    told = capsys.readouterr().err
    assert "ours" in told
    assert "swordfish" not in told
