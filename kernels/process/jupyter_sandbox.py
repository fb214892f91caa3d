"""The sandbox within Jupyter's own programs, which start our kernels by the kernel spec.

sandbox = shared(python, "")        # made at the first call, closed when the program ends

Tier S is never used here: it gives a kernel's folder to a user of its own, and here that is the folder of the
notebook.
"""

import asyncio
import atexit
import threading
from contextlib import ExitStack
from pathlib import Path

from kernels.limits import Limits
from kernels.sandbox.confined import Sandbox
from kernels.sandbox.policy import Tier
from kernels.sandbox.tier_choice import choose
from kernels.workspace.temporary import own_folder

__all__ = ["WITHOUT_ROOT", "close", "shared"]

_making = threading.Lock()
WITHOUT_ROOT = (Tier.A, Tier.B)  # the strongest first
LIMITS = Limits(workspace=None)  # how much is in a notebook's folder is its owner's business
_made: dict[tuple[str, str], Sandbox] = {}
_closing = ExitStack()


def shared(python: str, tier: str) -> Sandbox:
    """The sandbox for kernels of this interpreter, in this tier ("": the stronger that works). Blocks.

    Raises: SandboxUnavailable; ValueError for a tier that cannot be used here.
    """
    if tier not in ("", *WITHOUT_ROOT):
        allowed = " or ".join(each.described for each in WITHOUT_ROOT)
        raise ValueError(f"There is no tier {tier} for Jupyter's programs: choose {allowed}.")
    with _making:
        if (python, tier) not in _made:
            _made[python, tier] = asyncio.run(_make(Path(python), Tier(tier) if tier else None))
        return _made[python, tier]


@atexit.register
def close() -> None:
    """Close all sandboxes."""
    with _making:
        _made.clear()
        _closing.close()


async def _make(python: Path, tier: Tier | None) -> Sandbox:
    with ExitStack() as stack:
        folder = stack.enter_context(own_folder("jupyter-"))

        def make(tier: Tier) -> Sandbox:
            return Sandbox(
                tier, python=python, folder=folder / f"sandbox-{tier}", workspaces=folder, limits=LIMITS
            )

        sandbox, _ = await choose(tier, make, stack, among=WITHOUT_ROOT)
        _closing.push(stack.pop_all())
    return sandbox
