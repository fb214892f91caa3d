"""The package as a whole: what it exports, what its errors say, what importing it does not do."""

import inspect
import subprocess
import sys
from datetime import UTC, datetime

import pytest

import filestore
from filestore import errors, records
from filestore.errors import FileStoreError, NoSuchFile


def test_all_names_are_offered() -> None:
    """The package exports exactly the names that it imports for its users."""
    public = {
        name
        for name, value in vars(filestore).items()
        if not name.startswith("_")
        and getattr(value, "__module__", "").startswith("filestore")
        and name != "open_sqlite"
    }
    assert public == set(filestore.__all__)


def test_every_error_is_in_the_tree_and_in_its_picture() -> None:
    """Catching FileStoreError catches every error, and the docstring draws the whole tree."""
    tree = [value for value in vars(errors).values() if inspect.isclass(value)]
    assert all(issubclass(error, FileStoreError) for error in tree)
    assert all(error.__name__ in (errors.__doc__ or "") for error in tree)


def test_error_of_an_absent_file_reads_well() -> None:
    """A person sees this sentence in a traceback; it is short and printable whatever was asked for."""
    assert str(NoSuchFile("k7m3q9x2va")) == "no file k7m3q9x2va: it expired, or is not yours"
    assert str(NoSuchFile("x" * 10_000)) == f"no file {'x' * 40}…: it expired, or is not yours"
    assert str(NoSuchFile("a\nb\ud800")) == "no file a\ufffdb\ufffd: it expired, or is not yours"
    assert str(NoSuchFile({"$ne": 1})) == "no file dict: it expired, or is not yours"


def test_moment_without_a_zone_is_refused() -> None:
    """An ambiguous time is never stored."""
    with pytest.raises(ValueError, match="no time zone"):
        records.Said("s", 1, "p", "Ann", "hi", datetime(2030, 1, 1))  # noqa: DTZ001


def test_moment_keeps_whole_milliseconds() -> None:
    """Both databases store milliseconds, so records are no more precise."""
    said = records.Said("s", 1, "p", "Ann", "hi", datetime(2030, 1, 1, 0, 0, 0, 1_999, tzinfo=UTC))
    assert said.at.microsecond == 1_000


def test_import_reads_nothing_and_makes_nothing() -> None:
    """Importing opens no file for writing and starts no thread."""
    program = (
        "import sys, threading; opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(args) if event == 'open' and args[1] and"
        " set('wax+') & set(args[1]) else None)\n"
        "import filestore; sys.exit(bool(opened) or threading.active_count() != 1)"
    )
    assert subprocess.run([sys.executable, "-B", "-c", program], check=False).returncode == 0
