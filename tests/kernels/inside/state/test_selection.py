"""Where there is no room for everything, what fits is chosen in an order that people expect."""

from kernels.inside.state.selection import described, fitting, slow, too_large

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
