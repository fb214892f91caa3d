"""`python -m kernels.sandbox [--python PYTHON]`: which tiers this machine can do, and what to do for more.

Each probe's outcome is told. The exit status is 0 when kernels can be confined at all, 2 without that Python.
"""

import argparse
import asyncio
import os
import shutil
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from kernels.errors import KernelStartFailed, SandboxUnavailable
from kernels.limits import Limits
from kernels.sandbox.confined import Sandbox
from kernels.sandbox.policy import TIERS, Tier
from kernels.sandbox.selftest import PROBES, REMEDIES, probe
from kernels.workspace.temporary import own_folder


async def outcome(tier: Tier, python: Path) -> tuple[str, list[str]]:
    """Why the tier cannot be set up here, or "" with what it lets through."""
    with own_folder() as place, ExitStack() as stack:
        try:
            sandbox = stack.enter_context(
                Sandbox(
                    tier, python=python, folder=place / "own", workspaces=place, limits=Limits(), libraries=()
                )
            )
            return "", await probe(sandbox)
        except (SandboxUnavailable, KernelStartFailed, OSError) as error:
            return str(error).strip().splitlines()[-1], []


def main() -> int:
    """The program. When nobody reads its output it ends as any program does then, with 141."""
    parser = argparse.ArgumentParser(prog="python -m kernels.sandbox", description=__doc__)
    parser.add_argument("--python", type=Path, default=Path(".venv-kernels/bin/python"))
    python = parser.parse_args().python.absolute()
    if shutil.which(python) is None:
        parser.error(f"there is no program {python}")
    try:
        status = report(python)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read us has enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python flushes at its end
        return 128 + signal.SIGPIPE
    return status


def report(python: Path) -> int:
    """Tell of each tier; the exit status."""
    best: Tier | None = None
    for tier in TIERS:
        missing, leaks = asyncio.run(outcome(tier, python))
        if missing:
            print(f"{tier.described}  does not work here: {missing}\n        {REMEDIES[tier]}")
            continue
        print(f"{tier.described}  {'holds' if not leaks else 'LEAKS, and is refused'}")
        for name in PROBES:
            print(f"        {'REACHED' if name in leaks else 'refused'}  {name}")
        best = best or (tier if not leaks else None)
    print(f"Kernels will be held by {best.described}." if best else "Kernels cannot be confined here.")
    return 0 if best else 1


if __name__ == "__main__":
    sys.exit(main())
