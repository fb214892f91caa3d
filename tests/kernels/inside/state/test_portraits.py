"""Each save tells what its values are, and whether they have changed."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KERNEL_PYTHON, ROOT

HERE = Path(__file__).parent

type Told = dict[str, dict[str, list[Any]]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What `portraits_program.py` printed."""
    done = subprocess.run(
        [KERNEL_PYTHON, HERE / "portraits_program.py", HERE, tmp_path_factory.mktemp("workspace")],
        env=os.environ | {"PYTHONPATH": str(ROOT / "kernels")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: Told = json.loads(done.stdout)
    return found


def differing(told: Told, one: str, other: str) -> set[str]:
    """The names that are told in another way."""
    return {name for name in told[one] if told[one][name] != told[other].get(name)}


def test_a_value_is_told_by_its_type_and_size_and_a_digest(told: Told) -> None:
    """As in the list of variables."""
    kinds = {name: tuple(value[:2]) for name, value in told["first"].items()}
    assert kinds["array"] == ("ndarray", "100000")
    assert (kinds["number"], kinds["items"]) == (("int", "7"), ("list", "2 items"))
    assert {len(value[2]) for value in told["first"].values()} == {16}


def test_what_did_not_change_has_the_same_digest(told: Told) -> None:
    """Whatever happened to other values, in a later process, too."""
    assert differing(told, "first", "nothing") == set()
    assert differing(told, "nothing", "inside") == {"items", "array", "shape"}
    assert differing(told, "inside", "elsewhere") == {"number"}
    assert differing(told, "before", "loaded") == set()


def test_large_buffers_that_the_node_knows_by_their_digests_are_not_read_again(told: Told) -> None:
    """It takes as long as hashing everything once more; the digest is the same as one made anew."""
    assert told["buffers"] == {"looked": [0, 4], "same": [True, True, False]}


def test_where_there_is_no_time_there_is_no_digest(told: Told) -> None:
    """The rest is told all the same."""
    assert told["no time"]["slow"] == ["Slow", "", ""]
    assert told["no time"]["number"] == told["loaded"]["number"]
    assert told["known as slow"] == [1, 0]  # until it is gone
