"""How an ordinary kernel process is launched: its command line and its environment."""

from pathlib import Path

from kernels.process.launchers import INSIDE, PlainLauncher

LAUNCHER = PlainLauncher(Path("/k/bin/python"), Path("/w/s"), 7)
OUTSIDE = {
    "DISCORD_TOKEN": "secret",
    "LANG": "de_DE.UTF-8",
    "PYTHONPATH": "/evil",
    "HOME": "/root",
    "PATH": "/x",
}


def test_the_environment_is_an_allow_list() -> None:
    """Only the language and time zone of the operator's environment come through; nothing else is copied."""
    environment = LAUNCHER.environment(Path("/r/1"), OUTSIDE)
    assert environment["LANG"] == "de_DE.UTF-8"
    assert "secret" not in environment.values()
    assert not {"DISCORD_TOKEN", "PYTHONPATH"} & environment.keys()


def test_home_is_the_workspace() -> None:
    """What a person writes to `~` goes to their own folder, and IPython's settings end with the process."""
    environment = LAUNCHER.environment(Path("/r/1"), {})
    assert (environment["HOME"], environment["IPYTHONDIR"]) == ("/w/s", "/r/1/ipython")


def test_all_paths_are_absolute() -> None:
    """The process has a different working folder."""
    assert LAUNCHER.arguments(Path("/r/1"), {"last words": 8}) == [
        "/k/bin/python",
        str(INSIDE),
        "/r/1",
        '{"files": 7, "last words": 8}',
        "-f",
        "{connection_file}",
    ]
    assert (INSIDE / "__main__.py").exists()
