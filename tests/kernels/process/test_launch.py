"""How a kernel is started is decided in one pure place."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from kernels.process.launch import INSIDE, Launch, Limits, MiB, over_limit, plan
from kernels.sandbox.limits import watchdog

OUTSIDE = {
    "DISCORD_TOKEN": "secret",
    "LANG": "de_DE.UTF-8",
    "PYTHONPATH": "/evil",
    "HOME": "/root",
    "PATH": "/x",
}


def planned(outside: Mapping[str, str]) -> Launch:
    """The plan of one kernel."""
    return plan(
        Path("/k/bin/python"),
        run_folder=Path("/r/1"),
        workspace=Path("/w/s"),
        bell=7,
        words={"last words": 8},
        outside=outside,
    )


def test_the_environment_is_an_allow_list() -> None:
    """Of the operator's environment only the language and time zone come through; nothing else is copied."""
    launch = planned(OUTSIDE)
    assert launch.env["LANG"] == "de_DE.UTF-8"
    assert "secret" not in launch.env.values()
    assert not {"DISCORD_TOKEN", "PYTHONPATH"} & launch.env.keys()


def test_home_and_working_folder_are_the_workspace() -> None:
    """What a person writes without a path, or to `~`, is in their own folder."""
    launch = planned({})
    assert (launch.folder, launch.env["HOME"]) == (Path("/w/s"), "/w/s")


def test_all_paths_are_absolute_and_writable_ones_are_named() -> None:
    """The process has another working folder, and a sandbox must know what to let it write to."""
    launch = planned({})
    assert launch.argv == (
        "/k/bin/python",
        str(INSIDE),
        "/r/1",
        '{"bell": 7, "last words": 8}',
        "-f",
        "{connection_file}",
    )
    assert set(launch.writable) == {Path("/r/1"), Path("/r/1/ipython"), Path("/w/s")}
    assert (INSIDE / "__main__.py").exists()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("memory", "it used more than 400 MB of memory"),
        ("workspace", "its files grew over 64 MB"),
        ("processes", "it had more than 48 processes"),
        ("room", "there is room for files again"),
        ("system", "its open sockets, pipes, files and mappings could take more than its share of memory"),
        ("background", "what it left running used 90 min of processor time after its last cell had ended"),
    ],
)
def test_each_limit_that_ends_a_kernel_has_its_words(fault: str, words: str) -> None:
    """With the limit, as it was set."""
    limits = Limits(
        memory=400 * MiB, workspace=64 * MiB, processes=48, background=timedelta(hours=1, minutes=30)
    )
    assert words in over_limit(fault, limits)


def test_each_limit_has_a_reason_of_its_own() -> None:
    """65 empty folders are not "files over 512 MB"; and what is said to do is what can be done."""
    faults = (
        watchdog.MEMORY,
        watchdog.PROCESSES,
        watchdog.WORKSPACE,
        watchdog.FOLDERS,
        watchdog.HIDING,
        watchdog.ROOM,
        watchdog.SYSTEM,
        watchdog.BACKGROUND,
    )
    told = {fault: over_limit(fault, Limits()) for fault in faults}
    assert len(set(told.values())) == len(faults)
    assert "folders more than 64 deep: the new kernel can delete" in told[watchdog.FOLDERS]
    assert [fault for fault in faults if "grew over" in told[fault]] == [watchdog.WORKSPACE]
