"""matplotlib's figures become pictures whichever backend the code chooses, and are saved as shown."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kernels.inside.kernel_python import run

CODE = """
import json, os, warnings
from inside.libraries import figures
figures.follow()
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib_inline import backend_inline

def shown(figure):
    return json.loads(json.dumps(backend_inline._fetch_figure_metadata(figure)))

told = {"named": matplotlib.get_backend().lower()}
plt.switch_backend("nbagg")
told["other"] = "inline" in matplotlib.get_backend()
figure = plt.figure()
plt.plot([1, 2])
plt.savefig("a.png")
plt.savefig("sub.pdf")
told["saved"] = shown(figure)
plt.title("changed")
told["changed"] = shown(figure)
plt.savefig("b.png")
told["again"] = shown(figure)
plt.close("all")
plt.savefig("late.png")
told["late"] = open("late.png", "rb").read() == open("b.png", "rb").read()
figures.end_cell()
figures.end_cell()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    plt.savefig("empty.png")
told["empty"] = [str(one.message) for one in caught]
told["where"] = [os.path.basename(one.filename) for one in caught]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the code above reports, from the kernels' own Python."""
    folder: Path = tmp_path_factory.mktemp("figures")
    found: dict[str, Any] = json.loads(run(CODE, cwd=folder))
    return found


def test_every_backend_is_the_one_that_shows_figures(told: dict[str, Any]) -> None:
    """A program that asks for the backend's name is told the quiet one it chose."""
    assert told["named"] == "agg"
    assert told["other"]


def test_a_figure_that_is_saved_as_shown_says_so(told: dict[str, Any]) -> None:
    """Only for pictures, and not for a file saved before the figure changed."""
    assert told["saved"]["files"] == ["a.png"]
    assert "files" not in (told["changed"] or {})
    assert told["again"]["files"] == ["b.png"]


def test_what_was_shown_last_can_still_be_saved(told: dict[str, Any]) -> None:
    """Although it is closed; for one more cell."""
    assert told["late"]


def test_an_empty_figure_that_is_saved_is_warned_of(told: dict[str, Any]) -> None:
    """With the line of the person's code."""
    assert len(told["empty"]) == 1
    assert told["empty"][0].startswith("the figure that is saved is empty")
    assert told["where"] == ["<string>"]
