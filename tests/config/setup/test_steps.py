"""The set-up's steps: what is shown while they run, and what is said when one fails."""

import sys

import pytest

from config.errors import StepFailed
from config.setup.steps import explain, run


def test_step_shows_a_line_and_returns_what_was_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """One line on standard error with the time it took; standard output is left to the cells."""
    assert run("the packages", sys.executable, "-c", "print('done')") == "done\n"
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("  the packages ... ")
    assert err.endswith(" s\n")


def test_failed_step_carries_what_it_printed() -> None:
    """Both streams of a command that failed are kept, with its exit status."""
    with pytest.raises(StepFailed) as raised:
        run("the packages", sys.executable, "-c", "import sys; print('a'); sys.exit('b')")
    assert (raised.value.step, raised.value.code) == ("the packages", 1)
    assert sorted(raised.value.output.split()) == ["a", "b"]


def test_missing_command_fails_like_any_step() -> None:
    """A program that does not exist makes the step fail, without a traceback."""
    with pytest.raises(StepFailed, match="the packages"):
        run("the packages", "/nonexistent/program")


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("SSLError(... [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "set PIP_CERT="),
        ("invalid peer certificate: UnknownIssuer", "set PIP_CERT="),
        ("Caused by: dns error: failed to lookup address information", "cannot be reached"),
        (
            "Retrying: Failed to establish a new connection\nNo matching distribution found",
            "cannot be reached",
        ),
        ("[Errno 13] Permission denied: '.venv'", "This folder cannot be written"),
        ("Hash mismatch for `uv==1`", "not the one that config/locks names"),
        (
            "No solution found when resolving: no wheels with a matching platform tag",
            "no build for this machine",
        ),
    ],
)
def test_known_failure_says_what_to_do(output: str, sentence: str) -> None:
    """The first known cause is explained in one sentence."""
    assert sentence in explain(StepFailed("step", output, 1))


def test_unknown_failure_says_its_last_line() -> None:
    """When the cause is not known, the last line of the output says most."""
    assert (
        explain(StepFailed("step", "Traceback:\n  thing\nThingError: broken\n\n", 1)) == "ThingError: broken"
    )
    assert explain(StepFailed("step", "", 3)) == "It ended with exit status 3 and said nothing."
