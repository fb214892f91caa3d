"""`python -m kernels.sandbox [--python PYTHON]`: which tiers work on this machine, and what more would need.

It prints each probe's outcome. The exit status is 0 if kernels can be confined, 1 if not, 2 without that
Python.
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
    """Why the tier cannot be set up here, or "", and what it lets through."""
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
    """The program. If its output is closed, it ends with 141, as other programs do."""
    parser = argparse.ArgumentParser(prog="python -m kernels.sandbox", description=__doc__)
    parser.add_argument("--python", type=Path, default=Path(".venv-kernels/bin/python"))
    python = parser.parse_args().python.absolute()
    if shutil.which(python) is None:
        parser.error(f"there is no program {python}")
    try:
        status = report(python)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has read enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python flushes at its end
        return 128 + signal.SIGPIPE
    return status


def report(python: Path) -> int:
    """Print what each tier does here; returns the exit status."""
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
