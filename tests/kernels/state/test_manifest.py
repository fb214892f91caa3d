"""What a kernel tells of a save is bounded and repaired, and a manifest is as it was written or not read."""

import json
from datetime import UTC, datetime

import pytest

from kernels.state.errors import OtherFormat, StateDamaged
from kernels.state.manifest import CHUNK, Chunk, LostValue, Manifest, Meta, buffers_from_json, distinct

A, B = "a" * 32, "b" * 32
META = Meta(("df", "ä"), (LostValue("conn", 3, "a database connection"),), {"python": "3.12.3"})


def test_a_manifest_is_read_as_it_was_written() -> None:
    """With empty buffers, no buffers, and names in any script."""
    for buffers in ([], [[]], [[Chunk(A, 7)], [], [Chunk(B, CHUNK), Chunk(A, 7)]]):
        manifest = Manifest.new(12, 5, buffers, META)
        assert Manifest.from_bytes(12, manifest.to_bytes()) == manifest
    assert manifest.python == "3.12.3"
    assert abs(datetime.now(UTC) - manifest.saved_at).total_seconds() < 60
    assert json.loads(manifest.to_bytes())["format"] == 1


def test_no_changed_byte_of_a_manifest_goes_unnoticed() -> None:
    """A cell number of a damaged disk must not become the number that a person is told."""
    content = Manifest.new(12, 5, [[Chunk(A, 7)]], META).to_bytes()
    for place in range(len(content)):
        damaged = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        with pytest.raises((StateDamaged, OtherFormat)):
            Manifest.from_bytes(12, damaged)
    for end in range(len(content)):
        with pytest.raises(StateDamaged):
            Manifest.from_bytes(12, content[:end])


def test_another_format_is_told_from_damage() -> None:
    """A manifest of a newer version is kept for it."""
    for content in (b'{"format":2}', b'{"format":"x"}', b"{}"):
        with pytest.raises(OtherFormat):
            Manifest.from_bytes(1, content)
    for content in (b"", b"[]", b"null", b"[" * 100_000, b"\xff"):
        with pytest.raises(StateDamaged):
            Manifest.from_bytes(1, content)


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        "x",
        [None],
        [{}],
        [[None]],
        [[[A]]],
        [[[A, 1, 1]]],
        [[["A" * 32, 1]]],
        [[[A[1:], 1]]],
        [[[A + "\n", 1]]],
        [[["../" + A[3:], 1]]],
        [[["٣" * 32, 1]]],
        [[[A, 0]]],
        [[[A, -1]]],
        [[[A, CHUNK + 1]]],
        [[[A, 1.0]]],
        [[[A, True]]],
        [[[A, "1"]]],
        [[[7, 1]]],
        [[[A, 1]] * 100_001],
        [[[A, 1]], [[A, 1]] * 20_000],
        [[]] * 100_001,
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_no_list_of_chunks_is_refused(value: object) -> None:
    """Digests name files, and sizes are counted: nothing else may come through."""
    with pytest.raises(StateDamaged):
        buffers_from_json(value)


def test_lists_of_chunks_up_to_the_limit_are_taken() -> None:
    """Empty ones too, and pieces of any size up to a MiB."""
    assert buffers_from_json([]) == ()
    assert buffers_from_json([[], [[A, 1], [B, CHUNK]]]) == ((), (Chunk(A, 1), Chunk(B, CHUNK)))
    assert len(buffers_from_json([[[A, 1]] * 20_000])[0]) == 20_000


def test_distinct_chunks_are_listed_once_in_order() -> None:
    """And one cannot have two sizes."""
    assert list(distinct([[Chunk(B, 2)], [Chunk(A, 1), Chunk(B, 2)]]).items()) == [(B, 2), (A, 1)]
    with pytest.raises(StateDamaged):
        distinct([[Chunk(A, 1)], [Chunk(A, 2)]])


def test_meta_is_repaired() -> None:
    """Nothing in it can break a line, a log or the JSON in which it is stored."""
    meta = Meta.from_json(
        {
            "names": ["df", "a\nb\x1b[31m\u202e", "\ud800", "", 7, None, "df", "x" * 1000],
            "lost": [
                {"name": "f\0", "cell": 4, "what": "an open\rfile" + "!" * 1000},
                {"name": "g", "cell": -1, "what": 3},
                {"name": "h", "cell": True},
                {"name": "i", "cell": 2**60, "what": ""},
                {"name": ""},
                "x",
            ],
            "libraries": {"python": "3.12.3", "numpy": None, "a\n": "\ud8001", "": "1"},
        }
    )
    assert meta.names == ("df", "a\ufffdb\ufffd[31m\ufffd", "\ufffd", "x" * 100)
    assert meta.lost == (
        LostValue("f\ufffd", 4, ("an open\ufffdfile" + "!" * 1000)[:200]),
        LostValue("g", 0, ""),
        LostValue("h", 0, ""),
        LostValue("i", 0, ""),
    )
    assert meta.libraries == {"python": "3.12.3", "numpy": "", "a\ufffd": "\ufffd1"}
    assert Meta.from_json(meta.to_json()) == meta
    assert Meta.from_json(META.to_json()) == META


def test_meta_is_bounded() -> None:
    """2,000 names, 500 lost values, 200 libraries."""
    numbers = range(10_000)
    meta = Meta.from_json(
        {
            "names": [f"n{number}" for number in numbers],
            "lost": [{"name": f"n{number}", "cell": 1, "what": "x"} for number in numbers],
            "libraries": {f"n{number}": "1" for number in numbers},
        }
    )
    assert (len(meta.names), len(meta.lost), len(meta.libraries)) == (2_000, 500, 200)
    assert meta.names[-1] == f"n{numbers[-1]}"  # the newest, as in the list of variables


@pytest.mark.parametrize("value", [None, [], "x", 3, {}, {"names": {}, "lost": "x", "libraries": []}])
def test_meta_of_another_shape_is_empty(value: object) -> None:
    """A kernel that sends nonsense has told nothing."""
    assert Meta.from_json(value) == Meta()
