"""Where there is no room for everything, what fits is chosen in an order that people expect."""

from typing import Any

from kernels.inside.state.selection import described, fitting, marked, slow, too_large

MiB = 1 << 20


def test_small_values_come_first_and_then_what_was_bound_last() -> None:
    """One that does not fit is passed over, and a later one may fit."""
    sizes = {"old": 5 * MiB, "n": 100, "big": 50 * MiB, "new": 6 * MiB, "text": 2000}
    newest = ["new", "big", "text", "old", "n"]
    assert fitting(sizes, newest, 2050) == {"n"}
    assert fitting(sizes, newest, 7 * MiB) == {"n", "text", "new"}
    assert fitting(sizes, newest, 12 * MiB) == {"n", "text", "new", "old"}
    assert fitting(sizes, newest, 100 * MiB) == set(sizes)


def test_what_is_left_out_is_named_with_its_type_and_size() -> None:
    """As a person would say it."""
    assert described([], 900 * MiB) == "a `list` of 900 MB (left out: your quota has no room for it)"
    assert described(b"", 3 << 29) == "a `bytes` of 1.5 GB (left out: your quota has no room for it)"
    much = "a `dict` of more than 256 MB (left out: saving it takes too much memory)"
    assert too_large({}, 256 * MiB) == much
    assert slow(1) == "a `int` (left out: saving it takes too long)"


def test_a_value_is_known_again_until_another_one_has_its_name_or_it_becomes_much_smaller() -> None:
    """It may have the same address, as the first one is gone; one that grows a little is the same."""

    class Own:
        pass

    class Other:
        pass

    value: Any = Own()
    numbers = [0] * 5000
    before = marked("numbers", numbers), marked("own", value)
    numbers.append(1)
    assert before == (marked("numbers", numbers), marked("own", value))
    assert marked("same", numbers) != before[0]
    del numbers[10:]
    value.__class__ = Other
    after = marked("numbers", numbers), marked("own", value)
    assert after[0] != before[0]
    assert after[1] != before[1]
    assert after[0][:2] == before[0][:2]
    assert after[1][:2] == before[1][:2]
