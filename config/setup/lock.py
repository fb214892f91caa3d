"""Rewrites config/locks from setup.cfg: exact versions and hashes, for all systems, from Python 3.12 on.

    .venv/bin/python -m config.setup.lock [--upgrade]

A locked version is kept as long as setup.cfg allows it; `--upgrade` takes the newest. The files name no
index.
"""

import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

__all__ = ["main", "requirements"]

ROOT = Path(__file__).resolve().parent.parent.parent
LOCKS = ROOT / "config" / "locks"
COMPILE = (
    *("pip", "compile", "-q", "--universal", "--python-version", "3.12", "--generate-hashes"),
    *("--no-header", "--no-emit-index-url", "--no-annotate"),
)


def requirements(setup: Path) -> dict[str, str]:
    """What each lock, by name, is made from: requirements, one on each line."""
    parser = ConfigParser()
    parser.read(setup, encoding="utf-8")
    bot = parser["options"]["install_requires"]
    extras = parser["options.extras_require"]
    dev = f"{bot}\n-c {LOCKS}/bot.txt\n{extras['dev']}"
    return {"uv": "uv\nsetuptools >= 77", "bot": bot, "dev": dev, "kernels": extras["kernels"]}


def main(flags: list[str]) -> None:
    """Compiles every lock with uv.

    Raises:
        CalledProcessError: uv found no versions that fit, and has said why.
    """
    uv = Path(sys.prefix) / "bin" / "uv"
    for name, wanted in requirements(ROOT / "setup.cfg").items():
        lock = LOCKS / f"{name}.txt"
        print(f"config/locks/{lock.name}", file=sys.stderr)
        subprocess.run([uv, *COMPILE, *flags, "-o", lock, "-"], input=wanted, text=True, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
