"""What is told about a state is bounded and can be sent, whatever the names are."""

import json
import sys

from kernels.inside.state.meta import LONGEST_META, described, told


def test_names_values_and_versions_are_told() -> None:
    """Names in their order; Python is among the libraries."""
    lost = [told("conn", 3, "a database connection")]
    meta = described(["df", "conn"], lost)
    assert meta["names"] == ["df", "conn"]
    assert meta["lost"] == [{"name": "conn", "cell": 3, "what": "a database connection"}]
    assert meta["libraries"]["python"] == sys.version.split()[0]


def test_it_is_never_too_long() -> None:
    """With thousands of names and long ones, of characters that JSON writes with six each."""
    names = [f"{number}{chr(0x1F600) * 500}" for number in range(5000)]
    meta = described(names, [told(name, 1, name) for name in names])
    assert len(json.dumps(meta)) <= LONGEST_META
    assert meta["names"][-1].startswith("4999")
    assert meta["lost"]


def test_of_many_values_the_newest_are_described() -> None:
    """What is said of a value stands at its name's place."""
    names = [f"n{number}" for number in range(5000)]
    meta = described(names, [], [("DataFrame" * 8, name, "d" * 32) for name in names])
    assert len(json.dumps(meta)) <= LONGEST_META
    assert (meta["names"][-1], len(meta["names"])) == ("n4999", len(meta["values"]))
    told = [(name, value[1]) for name, value in zip(meta["names"], meta["values"], strict=True) if value]
    assert told[-1] == ("n4999", "n4999")
    assert 0 < len(told) < len(meta["names"])
    assert all(name == detail for name, detail in told)


def test_a_name_that_cannot_be_encoded_can_be_sent() -> None:
    """Half of a surrogate pair is a valid key of a namespace."""
    json.dumps(described(["\ud83d"], [told("\ud83d", 1, "\ud83d")]), ensure_ascii=False).encode()
