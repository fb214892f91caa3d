"""Run a program against a loopback Discord: `python -m tests.loopback.launch ADDRESS MODULE [ARGUMENT...]`.

It only sets `nextcord.http.Route.BASE`; the token and everything else is up to the caller.
"""

import runpy
import sys

import nextcord.http


def main(address: str, module: str, *arguments: str) -> None:
    """Run `module` as `python -m` does."""
    nextcord.http.Route.BASE = address
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
