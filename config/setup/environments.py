"""Makes the two Python environments from their locks, and does nothing if they are up to date.

    python -m config.setup.environments run     # .venv with the bot's packages, .venv-kernels
    python -m config.setup.environments test    # and the packages of the checks and tests

Standard library only: `make` runs it with the machine's own Python. An environment has a stamp that says what
it was made from, which is written when everything is in place. If the stamp is missing or another one, the
environment is made anew, so a half-made one is never used.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.errors import StepFailed
from config.setup import debian, fonts
from config.setup.registry import uv_environment
from config.setup.steps import explain, run, say

__all__ = ["Environment", "environments", "main", "remaining"]

ROOT = Path(__file__).resolve().parent.parent.parent
LOCK = ".venv.lock"  # held while environments are made
LOG = ".venv.log"  # what a failed step printed
FONTS, PROJECT = "fonts", "project"
REPEATED = (FONTS, PROJECT)  # steps that can be repeated without the others

STEPS = {
    "interpreter": "a Python environment",
    "uv": "uv and setuptools, which install the rest",
    "bot": "the bot's packages",
    "dev": "the packages of the checks and tests",
    "kernels": "the kernels' packages (about 900 MB)",
    FONTS: "first imports, and the system's fonts",
    PROJECT: "Kernelcord itself, for Jupyter's programs",
}


@dataclass(frozen=True, slots=True)
class Environment:
    """A folder made by `python -m venv`, and its steps in order, each with a digest of what goes into it."""

    folder: Path
    steps: Mapping[str, str]

    @property
    def done(self) -> dict[str, str]:
        """The steps that were done, according to the stamp; none if the interpreter is gone."""
        try:
            stamp = json.loads(self.stamp.read_bytes()) if self.python.exists() else {}
        except (OSError, ValueError):
            stamp = {}
        return stamp if isinstance(stamp, dict) else {}

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def stamp(self) -> Path:
        """The file that says what the environment was made from."""
        return self.folder / "kernelcord.json"


def environments(root: Path, goal: str) -> tuple[Environment, Environment]:
    """The bot's and the kernels' environments of the checkout `root`, for the goal "run" or "test"."""
    bot, kernels = root / ".venv", root / ".venv-kernels"
    # An environment contains absolute paths, so it must be made anew after it was copied or moved.
    interpreter = f"{sys.version} at {os.path.realpath(sys.executable)} for"
    bot_locks = ("uv", "bot", "dev") if goal == "test" else ("uv", "bot")
    return (
        Environment(
            bot,
            {"interpreter": f"{interpreter} {bot}"}
            | {name: _digest(_lock(root, name)) for name in bot_locks}
            | {PROJECT: _digest(root / "setup.cfg", root / "pyproject.toml")},
        ),
        Environment(
            kernels,
            {
                "interpreter": f"{interpreter} {kernels}",
                "kernels": _digest(_lock(root, "kernels")),
                FONTS: f"{fonts.state()} {_digest(_warm(root))}",
            },
        ),
    )


def remaining(done: Mapping[str, str], wanted: Mapping[str, str]) -> tuple[str, ...]:
    """The steps of `wanted` still to do: all of them if one that is not in `REPEATED` has changed."""
    if any(done.get(step, digest) != digest for step, digest in wanted.items() if step not in REPEATED):
        return tuple(wanted)
    return tuple(step for step, digest in wanted.items() if done.get(step) != digest)


def main(goal: str, root: Path = ROOT) -> None:
    """Make sure that both environments are up to date.

    Raises:
        StepFailed: a step failed; nothing half-made will be used.
    """
    begun = time.monotonic()
    if any(remaining(each.done, each.steps) for each in environments(root, goal)):
        with _alone(root / LOCK):
            debian.add_venv()
            if goal == "test":
                debian.add_cjk_font()
            bot, kernels = environments(root, goal)
            _make(bot, root, bot.folder)
            _make(kernels, root, bot.folder)
    say(f"Kernelcord's environments are ready ({time.monotonic() - begun:.1f} s).")


def _make(environment: Environment, root: Path, bot: Path) -> None:
    done = environment.done
    todo = remaining(done, environment.steps)
    if not todo:
        return
    environment.stamp.unlink(missing_ok=True)
    python = environment.python
    for step in todo:
        text = f"{environment.folder.name}: {STEPS[step]}"
        if step == "interpreter":
            run(text, os.path.realpath(sys.executable), "-I", "-m", "venv", "--clear", environment.folder)
            done = {}
        elif step == "uv":
            pip = (python, "-I", "-m", "pip")
            run(text, *pip, "install", "--no-user", "--require-hashes", "-r", _lock(root, step))
        elif step == FONTS:
            run(text, python, "-I", _warm(root), environment.folder / "matplotlib")
        elif step == PROJECT:
            flags = ("--editable", root, "--no-deps", "--no-build-isolation", "--offline", "--no-cache")
            run(text, bot / "bin" / "uv", "pip", "install", "--python", python, *flags)
        else:
            _install(text, bot, python, _lock(root, step))
    aside = environment.stamp.with_suffix(".new")
    aside.write_text(json.dumps({**done, **environment.steps}, indent=1), encoding="utf-8")
    aside.replace(environment.stamp)


def _install(text: str, bot: Path, python: Path, lock: Path) -> None:
    uv = bot / "bin" / "uv"
    pip = (bot / "bin" / "python", "-I", "-m", "pip")
    pip_config = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=False).stdout
    env = os.environ | uv_environment(pip_config, os.environ)
    # Copied, because with links a file in both environments would be the same, and a kernel could change the
    # bot's.
    flags = ["--require-hashes", "--link-mode", "copy", *([] if _has_cache(uv) else ["--no-cache"])]
    run(text, uv, "pip", "install", *flags, "--python", python, "-r", lock, env=env)


def _has_cache(uv: Path) -> bool:
    """Whether uv can keep what it downloads: a home folder may be read-only, or missing."""
    folder = subprocess.run([uv, "cache", "dir"], capture_output=True, text=True, check=False).stdout.strip()
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another make is setting up here; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _lock(root: Path, name: str) -> Path:
    return root / "config" / "locks" / f"{name}.txt"


def _warm(root: Path) -> Path:
    return root / "config" / "setup" / "warm.py"


def _digest(*paths: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def _report(failure: StepFailed) -> str:
    log = ROOT / LOG
    try:
        log.write_text(failure.output, encoding="utf-8")
        more = f" All that it printed is in {LOG}."
    except OSError:
        more = ""
    return f"Set-up stopped at {failure.step}. {explain(failure)}{more}"


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except StepFailed as failure:
        sys.exit(_report(failure))
    except OSError as error:
        sys.exit(f"Set-up stopped. {explain(StepFailed('', str(error), 1))}")
    except KeyboardInterrupt:
        sys.exit("\nSet-up was interrupted; the same command goes on.")
