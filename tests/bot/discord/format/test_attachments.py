"""Which messages an answer is sent in; none of its files is lost without a word."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.discord.format.attachments import MessageLimits, Outgoing, Upload, plan, without_uploads
from bot.discord.format.split import length

SMALL = MessageLimits(files=3, request=20_000, file=2_000, text=500, messages=2, loose=6)


def file(name: str, size: int = 10, file_id: str = "") -> Upload:
    """A file with unique content."""
    return Upload(name, (name.encode() * size)[:size], file_id=file_id)


def names(messages: tuple[Outgoing, ...]) -> list[list[str]]:
    """The names of each message's files."""
    return [[upload.name for upload in message.uploads] for message in messages]


@pytest.mark.parametrize(
    ("parts", "uploads", "contents", "attached"),
    [
        (["a"], [], ["a"], [[]]),
        ([], [], [""], [[]]),
        (["a", "b"], [file("x.png")], ["a", "b"], [[], ["x.png"]]),
        ([""], [file("x.png")], [""], [["x.png"]]),
        (
            ["a"],
            [file(f"{n}.png") for n in range(5)],
            ["a", ""],
            [["0.png", "1.png", "2.png"], ["3.png", "4.png"]],
        ),
        (["a"], [file("x.png"), file("X.png"), file("d/x.png")], ["a"], [["x.png", "X-2.png", "x-2-3.png"]]),
        (
            ["a"],
            [file("x.csv", 9, "k7m3q9x2va"), file("x.csv", 8, "abcdefgh23")],
            ["a"],
            [["x.csv", "x-abcdefgh23.csv"]],
        ),
        (["a"], [file("../`@everyone`\n.csv")], ["a"], [["__everyone__.csv"]]),
        (["a"], [file("n" * 300 + ".parquet")], ["a"], [["n" * 92 + ".parquet"]]),
    ],
)
def test_texts_in_order_files_with_the_last(
    parts: list[str], uploads: list[Upload], contents: list[str], attached: list[list[str]]
) -> None:
    """Names are unique and safe, and there are as many messages as the files need."""
    messages = plan(parts, uploads, SMALL)
    assert [message.content for message in messages] == contents
    assert names(messages) == attached


def test_bytes_of_a_request_divide_files_too() -> None:
    """Two files that do not fit in one request are sent in two messages."""
    limits = MessageLimits(files=10, request=17_000 + 1_000, file=2_000)
    messages = plan(["a"], [file("a", 1_000), file("b", 1_000)], limits)
    assert names(messages) == [["a"], ["b"]]


def test_many_files_go_in_a_zip_after_the_first_message() -> None:
    """The first are shown, the others are in the zip with their bytes."""
    uploads = [file(f"{n}.txt", 50) for n in range(9)]
    messages = plan(["a"], uploads, SMALL)
    assert names(messages) == [["0.txt", "1.txt", "2.txt"], ["more-files-1.zip"]]
    with zipfile.ZipFile(io.BytesIO(messages[1].uploads[0].data)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            upload.name: upload.data for upload in uploads[3:]
        }


@pytest.mark.parametrize(
    ("upload", "way"),
    [
        (
            file("big.bin", 3_000, "k7m3q9x2va"),
            '`/files file:k7m3q9x2va`, or `load_file("k7m3q9x2va")` in a cell',
        ),
        (file("picture-1.png", 3_000), "`/notebook` has it"),
    ],
)
def test_a_file_over_the_limit_is_named_with_how_to_get_it(upload: Upload, way: str) -> None:
    """The sentence joins the text, and the others are attached."""
    (message,) = plan(["a"], [upload, file("small.txt")], SMALL)
    assert message.content == f"a\n**Not attached:** too large to attach\n- `{upload.name}` (2.9 KB): {way}"
    assert [one.name for one in message.uploads] == ["small.txt"]


def test_a_sentence_that_does_not_fit_has_a_message_of_its_own() -> None:
    """The text is not cut to make room for it."""
    messages = plan(["a" * 490], [file("big.bin", 3_000)], SMALL)
    assert messages[0].content == "a" * 490
    assert messages[1].content.startswith("**Not attached:**")


def test_without_uploads_says_why_and_loses_nothing() -> None:
    """If attaching is refused, each file is named with how to get it, and no text is lost."""
    uploads = [file("plot.png"), file("data.csv", 10, "k7m3q9x2va")]
    messages = without_uploads(["a", "b"], uploads, "files may not be attached here", SMALL)
    assert not any(message.uploads for message in messages)
    text = "\n".join(message.content for message in messages)
    assert text.startswith("a\nb\n**Not attached:** files may not be attached here\n")
    assert "`plot.png`" in text
    assert "/files file:k7m3q9x2va" in text
    assert without_uploads(["a"], [], "no", SMALL) == (Outgoing("a"),)


NAMES = st.sampled_from(["a.png", "b.txt", "A.PNG", "c`.csv"])
SIZES = st.sampled_from([0, 1, 900, 1_990, 2_000, 2_001])
UPLOADS = st.lists(st.builds(file, NAMES, SIZES), max_size=30)


@given(UPLOADS, st.lists(st.text("ab \n", min_size=1, max_size=500), max_size=3))
def test_every_plan_keeps_to_the_limits_and_accounts_for_every_file(
    uploads: list[Upload], parts: list[str]
) -> None:
    """Each file is attached, zipped, named or counted; no message exceeds Discord's limits."""
    messages = plan(parts, uploads, SMALL)
    held, text = 0, "\n".join(message.content for message in messages)
    for message in messages:
        assert length(message.content) <= SMALL.text
        assert len(message.uploads) <= SMALL.files
        assert sum(len(upload.data) for upload in message.uploads) <= SMALL.request
        assert len({upload.name.casefold() for upload in message.uploads}) == len(message.uploads)
        for upload in message.uploads:
            assert len(upload.data) <= SMALL.file
            zipped = upload.name.startswith("more-files")
            held += len(zipfile.ZipFile(io.BytesIO(upload.data)).namelist()) if zipped else 1
    assert sum(bool(message.uploads) for message in messages) <= SMALL.messages
    more = sum(int(line.split()[3]) for line in text.split("\n") if line.startswith("- … and "))
    assert held + text.count("has it") + more == len(uploads)
