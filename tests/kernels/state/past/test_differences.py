"""What differs between two states of a session."""

import pytest

from kernels.state.journey import ChangedFile, ChangedVariable
from kernels.state.manifest import Manifest, Meta, Portrait
from kernels.state.past.differences import changed_files, changed_variables, words
from kernels.workspace.copies.listing import MOST_FILES, UNLISTED, FileState

A, B = "a" * 64, "b" * 64
OTHERS = ChangedFile("", "", known=False, now=None)


def test_a_value_is_told_in_words() -> None:
    """Sizes are easy to read; a number is what it is."""
    assert words(Portrait("DataFrame", "123456 x 4", "")) == "DataFrame 123,456 x 4"
    assert words(Portrait("str", "1000 characters", "")) == "str 1,000 characters"
    assert words(Portrait("list", "1 items", "")) == "list 1 item"
    assert words(Portrait("int", "1000", "")) == "int 1000"
    assert words(Portrait("Foo", "", "")) == "Foo"
    assert words(Portrait("", "", "")) == "a value"


def test_variables_differ_by_what_they_are_or_by_their_digests() -> None:
    """Of a value without a digest nobody knows whether it has changed inside."""
    was = {
        "same": Portrait("list", "1 items", "1"),
        "inside": Portrait("list", "1 items", "1"),
        "unknown": Portrait("list", "1 items", ""),
        "other": Portrait("int", "1", "1"),
        "gone": Portrait("int", "5", "1"),
    }
    now = {
        "same": Portrait("list", "1 items", "1"),
        "inside": Portrait("list", "1 items", "2"),
        "unknown": Portrait("list", "1 items", "2"),
        "other": Portrait("str", "2 characters", "2"),
        "new": Portrait("", "", ""),
    }
    assert changed_variables(was, now) == (
        ChangedVariable("inside", "list 1 item", "list 1 item"),
        ChangedVariable("other", "int 1", "str 2 characters"),
        ChangedVariable("gone", "int 5", ""),
        ChangedVariable("new", "", "a value"),
    )


def saved(*files: FileState) -> Manifest:
    """A save with these files."""
    return Manifest.new(1, 1, [], Meta(), files=files)


def test_files_differ_by_their_digests_else_by_size_and_time() -> None:
    """It is told what they were, if anybody knows."""
    then = saved(
        FileState("same", 1, A, 1.0),
        FileState("other", 1, A, 1.0),
        FileState("gone", 1, A, 1.0),
        FileState("large", 5, "", 1.0),
        FileState("larger", 5, "", 1.0),
    )
    now = {
        "same": FileState("same", 1, A, 2.0),
        "other": FileState("other", 1, B, 1.0),
        "large": FileState("large", 5, "", 1.0),
        "larger": FileState("larger", 5, "", 2.0),
        "new": FileState("new", 1, A, 1.0),
        "unread": FileState("unread", 1, "", 1.0),
        "odd\n": FileState("odd_", 1, "", 1.0),
    }
    assert set(changed_files(then, now)) == {
        ChangedFile("other", A, known=True, now=B),
        ChangedFile("gone", A, known=True),
        ChangedFile("larger", "", known=False, now=None),
        ChangedFile("new", "", known=True, now=A),
        ChangedFile("unread", "", known=True, now=None),
        ChangedFile("odd_", "", known=False, now=None),
    }


def test_nothing_is_told_of_files_beyond_the_list() -> None:
    """Nobody knows whether they were there; it is told that there may be some."""
    names = [f"{number:05}" for number in range(MOST_FILES)]
    then = saved(*(FileState(name, 1, A, 1.0) for name in names))
    now = {name: FileState(name, 1, A, 1.0) for name in [*names[1:], "99999"]}
    assert changed_files(then, now) == (OTHERS, ChangedFile("00000", A, known=True))


@pytest.mark.parametrize("where", ["then", "now", "both"])
def test_a_file_that_was_not_looked_at_is_neither_new_nor_gone(where: str) -> None:
    """One that is listed on both sides has changed all the same."""
    then = [FileState("a", 1, A, 1.0), FileState("c", 1, A, 1.0)]
    now = {"b": FileState("b", 1, A, 1.0), "c": FileState("c", 1, B, 1.0)}
    if where != "now":
        then.append(UNLISTED)
    if where != "then":
        now[""] = UNLISTED
    assert changed_files(saved(*then), now) == (OTHERS, ChangedFile("c", A, known=True, now=B))
