"""An error that a script would not raise says how to do the same thing in a cell."""

import pytest

from kernels.inside.libraries import advice


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (NameError("name '__file__' is not defined", name="__file__"), advice.NO_FILE),
        (RuntimeError("This event loop is already running"), advice.AWAIT),
        (RuntimeError("Cannot run the event loop while another loop is running"), advice.AWAIT),
    ],
)
def test_the_note_is_added_once(error: BaseException, note: str) -> None:
    """However often the error is shown."""
    advice.add(error)
    advice.add(error)
    assert error.__notes__ == [note]


@pytest.mark.parametrize("error", [NameError("x", name="x"), RuntimeError("other"), ValueError("__file__")])
def test_other_errors_stay_as_they_are(error: BaseException) -> None:
    """We have no advice for them."""
    advice.add(error)
    assert not hasattr(error, "__notes__")
