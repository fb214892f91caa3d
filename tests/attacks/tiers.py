"""Which tiers a test run has attacked, in pytest-xdist's workers too, and whether any expected one is missing."""

import os

import pytest

ran: dict[str, str] = {}  # tier: "", or why the machine cannot do it


def finish(session: pytest.Session) -> None:
    """A worker reports what it ran; the main run fails if one of EXPECT_TIERS was not attacked."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["tiers"] = ran
    elif missing():
        session.exitstatus = 1


def missing() -> list[str]:
    """The tiers that were expected and not attacked."""
    expected = os.environ.get("EXPECT_TIERS", "").split(",")
    return sorted(name for name in expected if name and ran.get(name, "not run"))


def summary() -> str:
    """Lines for the end of a run; "" if nothing was attacked and nothing expected."""
    who = "root" if os.geteuid() == 0 else f"uid {os.geteuid()}"
    told = ", ".join(f"{tier} (not here: {problem})" if problem else tier for tier, problem in ran.items())
    lines = [f"attacked tiers, as {who} on Linux {os.uname().release}: {told}"] if ran else []
    return "\n".join(lines + [f"EXPECT_TIERS names {name}, which was not attacked" for name in missing()])
