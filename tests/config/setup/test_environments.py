"""The environments: which steps remain, and when there are none."""

import fcntl
import json
import threading
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from config.setup import environments as setup
from config.setup.environments import Environment, environments, main, remaining
from config.setup.lock import requirements
from kernels.kernelspec import NAME
from kernels.provisioner import ConfinedProvisioner

WANTED = {"interpreter": "3.12", "kernels": "a1", "fonts": "f1"}


@pytest.fixture
def checkout(root: Path, tmp_path: Path) -> Path:
    """A checkout with locks of its own and no environment."""
    (tmp_path / "config" / "locks").mkdir(parents=True)
    (tmp_path / "config" / "setup").mkdir()
    for name in ("uv", "bot", "dev", "kernels"):
        (tmp_path / "config" / "locks" / f"{name}.txt").write_text(f"{name}==1\n")
    for name in ("config/setup/warm.py", "setup.cfg", "pyproject.toml"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps that the set-up would run. None is run, but a new environment gets an interpreter."""
    ran: list[str] = []

    def run(step: str, *argv: str | Path, env: object = None) -> str:
        ran.append(step)
        if "venv" in argv:
            python = Path(argv[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True, exist_ok=True)
            python.write_text("#!/bin/sh\n")
            python.chmod(0o755)
            (python.parent / "uv").write_text("#!/bin/sh\n")
            (python.parent / "uv").chmod(0o755)
        return ""

    monkeypatch.setattr(setup, "run", run)
    monkeypatch.setattr(setup.debian, "add_cjk_font", lambda: None)
    return ran


def test_nothing_done_means_all_is_to_do() -> None:
    """A new environment gets every step, in order."""
    assert remaining({}, WANTED) == ("interpreter", "kernels", "fonts")


def test_same_means_nothing_is_to_do() -> None:
    """An environment that is up to date is left alone, and so is one that has more than is wanted."""
    assert remaining(WANTED, WANTED) == ()
    assert remaining(WANTED | {"dev": "d1"}, WANTED) == ()


def test_missing_step_is_added() -> None:
    """The tests' packages are added to an environment that has the bot's."""
    assert remaining({"interpreter": "3.12", "kernels": "a1"}, WANTED) == ("fonts",)


@pytest.mark.parametrize("step", ["interpreter", "kernels"])
def test_other_lock_or_interpreter_means_anew(step: str) -> None:
    """Packages of an older lock would linger, so the environment is created from scratch."""
    assert remaining(WANTED | {step: "other"}, WANTED) == tuple(WANTED)


def test_changed_fonts_are_looked_through_again() -> None:
    """A new font repeats only the font step, and does not create the environment anew."""
    assert remaining(WANTED | {"fonts": "f0"}, WANTED) == ("fonts",)


@pytest.mark.parametrize("name", ["setup.cfg", "pyproject.toml"])
def test_changed_entry_points_are_installed_again(checkout: Path, commands: list[str], name: str) -> None:
    """Changed project metadata reinstalls the project, once, and does not need a new environment either."""
    main("run", checkout)
    commands.clear()
    (checkout / name).write_text("changed")
    main("run", checkout)
    main("run", checkout)
    assert commands == [".venv: Kernelcord itself, for Jupyter's programs"]


def test_jupyter_finds_our_provisioner() -> None:
    """The set-up has installed the project, so the name in our kernel spec leads to the class."""
    (found,) = entry_points(group="jupyter_client.kernel_provisioners", name=NAME)
    assert found.load() is ConfinedProvisioner


def test_set_up_is_done_once(checkout: Path, commands: list[str]) -> None:
    """The first run makes both environments, the second does nothing."""
    main("run", checkout)
    assert [step.split(":")[0] for step in commands] == [".venv"] * 4 + [".venv-kernels"] * 3
    commands.clear()
    main("run", checkout)
    assert commands == []


def test_tests_add_their_packages_and_run_keeps_them(checkout: Path, commands: list[str]) -> None:
    """`make run` needs only the bot's packages; `make test` adds its own; after that both do nothing."""
    main("run", checkout)
    commands.clear()
    main("test", checkout)
    assert commands == [".venv: the packages of the checks and tests"]
    main("run", checkout)
    main("test", checkout)
    assert len(commands) == 1


def test_changed_lock_makes_its_environment_anew(checkout: Path, commands: list[str]) -> None:
    """Only the environment whose lock changed is created anew."""
    main("run", checkout)
    commands.clear()
    (checkout / "config" / "locks" / "kernels.txt").write_text("kernels==2\n")
    main("run", checkout)
    assert [step.split(":")[0] for step in commands] == [".venv-kernels"] * 3


def test_half_made_environment_is_made_anew(
    checkout: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set-up that was ended in the middle of a step leaves no stamp, so the next one starts over."""
    working = setup.run

    def interrupted(step: str, *argv: str | Path, env: object = None) -> str:
        if "kernels' packages" in step:
            raise KeyboardInterrupt
        return working(step, *argv)

    monkeypatch.setattr(setup, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main("run", checkout)
    monkeypatch.setattr(setup, "run", working)
    commands.clear()
    main("run", checkout)
    assert [step.split(":")[0] for step in commands] == [".venv-kernels"] * 3


def test_second_make_waits_for_the_first(
    checkout: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two at once, one sets up; the other says that it waits, and then finds what there is left to do."""
    waiting = threading.Event()
    monkeypatch.setattr(setup, "say", lambda line: waiting.set())
    second = threading.Thread(target=main, args=("run", checkout))
    with (checkout / ".venv.lock").open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second.start()
        assert waiting.wait(timeout=30)
        assert commands == []
    second.join()
    assert len(commands) == 7


@pytest.mark.parametrize("stamp", ["", "{", "[]", "null", '"text"', "\ud800"])
def test_broken_stamp_is_none(tmp_path: Path, stamp: str) -> None:
    """A stamp that cannot be read means that nothing is done."""
    environment = Environment(tmp_path, WANTED)
    environment.python.parent.mkdir()
    environment.python.touch()
    environment.stamp.write_text(json.dumps(WANTED))
    assert environment.done == WANTED
    environment.stamp.write_bytes(stamp.encode(errors="surrogatepass"))
    assert environment.done == {}


def test_interpreter_that_is_gone_means_anew(checkout: Path, commands: list[str]) -> None:
    """An environment whose Python was uninstalled is a dangling link, whatever its stamp says."""
    main("run", checkout)
    bot, _ = environments(checkout, "run")
    bot.python.unlink()
    bot.python.symlink_to("/nonexistent/python3.12")
    assert bot.done == {}


def test_moved_checkout_means_anew(
    checkout: Path, commands: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Environments hold absolute paths: a copied or renamed checkout has to make its own."""
    main("run", checkout)
    moved = tmp_path_factory.mktemp("elsewhere") / "kernelcord"
    checkout.rename(moved)
    bot, kernels = environments(moved, "run")
    assert remaining(bot.done, bot.steps) == tuple(bot.steps)
    assert remaining(kernels.done, kernels.steps) == tuple(kernels.steps)


def test_locks_are_made_from_setup_cfg(root: Path) -> None:
    """The checks' lock has the bot's packages at the bot's versions; the kernels' lock is independent."""
    wanted = requirements(root / "setup.cfg")
    assert "-c " in wanted["dev"]
    assert wanted["bot"] in wanted["dev"]
    assert "nextcord" not in wanted["kernels"]
    assert "ipykernel" in wanted["kernels"]


@pytest.mark.parametrize("name", ["uv", "bot", "dev", "kernels"])
def test_lock_pins_every_package_with_hashes(root: Path, name: str) -> None:
    """A lock names exact versions, each with at least one hash, and no address."""
    text = (root / "config" / "locks" / f"{name}.txt").read_text()
    entries = text.replace("\\\n", " ").splitlines()
    assert entries
    for entry in entries:
        assert "==" in entry.split()[0]
        assert " --hash=sha256:" in entry
    assert "//" not in text
