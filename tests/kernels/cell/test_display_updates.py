from typing import Any

from filestore.outputs.short import short
from kernels.cell.display_updates import MOST_HELD, TOO_MUCH, UPDATE, Updates, is_mark


def shown(text: str, name: str, *, updated: bool = False) -> dict[str, Any]:
    """A display that can be updated."""
    transient = {"display_id": name} | ({"updated": True} if updated else {})
    return {
        "output_type": "display_data",
        "data": {"text/plain": text},
        "metadata": {},
        "transient": transient,
    }


def update(text: str, name: str) -> dict[str, Any]:
    """What an earlier display was changed to."""
    return shown(text, name) | {"output_type": UPDATE}


def in_the_end(*outputs: dict[str, Any]) -> list[str]:
    """What the displays finally show, without the updates themselves."""
    updates = Updates()
    for output in outputs:
        updates.note(output)
    updates.begin(0)
    done = [updates.applied(output) for output in outputs]
    return [one["data"]["text/plain"] for one in done if one["output_type"] != UPDATE]


def test_the_last_update_of_a_display_is_what_it_shows() -> None:
    """All earlier displays with the id change; one that comes after the update does not."""
    assert in_the_end(shown("a", "x"), shown("b", "y"), update("c", "x"), update("d", "x")) == ["d", "b"]
    assert in_the_end(shown("a", "x"), shown("b", "x"), update("c", "x"), shown("d", "x")) == ["c", "c", "d"]
    assert in_the_end(update("c", "x"), shown("a", "x")) == ["a"]


def test_a_display_that_its_own_cell_updates_updates_those_before_it() -> None:
    """Jupyter changes every output with the id, whichever cell it belongs to."""
    assert in_the_end(shown("a", "x"), shown("c", "x", updated=True)) == ["c", "c"]
    assert in_the_end(shown("a", "x"), shown("b", "x")) == ["a", "b"]


def test_updates_are_held_up_to_a_size() -> None:
    """Anything too large for our memory is left out, and the display says so."""
    large = "x" * (MOST_HELD // 4)
    names = [str(number) for number in range(6)]
    ended = in_the_end(*(shown("a", name) for name in names), *(update(large, name) for name in names))
    assert ended[:3] == [large] * 3
    assert ended[4:] == [TOO_MUCH] * 2


def test_a_short_form_says_whether_its_outputs_have_to_be_read() -> None:
    """They must be read if they update something; otherwise it only names the displays."""
    outputs = [shown("a" * 5000, str(number)) for number in range(20)]
    (mark,) = filter(is_mark, short(outputs))
    updates = Updates()
    assert updates.pass_mark(mark) is False
    updates.note(update("b", "7"))
    updates.begin(0)
    assert updates.at((0, 0), outputs[7])["data"] == {"text/plain": "b"}
    assert updates.at((0, 0), outputs[8]) == outputs[8]
    for more in (update("b", "z"), shown("b", "z", updated=True), shown("b", "z" * 1000)):
        (mark,) = filter(is_mark, short([*outputs, more]))
        assert updates.pass_mark(mark) is True
    many = [shown("a", str(number)) for number in range(100)]
    (mark,) = filter(is_mark, short(many))
    assert updates.pass_mark(mark) is True
    assert not any(map(is_mark, short([{"output_type": "stream", "name": "stdout", "text": "x"}])))
