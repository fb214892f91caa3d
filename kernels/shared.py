"""The sandbox of a program that is not ours: Jupyter's, by the kernel spec that names our provisioner.

sandbox = shared(python, "")        # made at the first call, closed when the program ends
"""

import asyncio
import atexit
import shutil
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from kernels.launch import Limits
from kernels.sandbox.confined import Sandbox
from kernels.sandbox.policy import Tier
from kernels.sandbox.selftest import choose

__all__ = ["shared"]

_making = threading.Lock()
_made: dict[tuple[str, str], Sandbox] = {}


def shared(python: str, tier: str) -> Sandbox:
    """The sandbox for kernels of this interpreter, in this tier ("": the strongest). Waits.

    Raises: SandboxUnavailable, ValueError for a tier that there is not.
    """
    with _making:
        if (python, tier) not in _made:
            _made[python, tier] = asyncio.run(_make(Path(python), Tier(tier) if tier else None))
        return _made[python, tier]


async def _make(python: Path, tier: Tier | None) -> Sandbox:
    folder = Path(tempfile.mkdtemp(prefix="kernelcord-jupyter-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)

        def make(tier: Tier) -> Sandbox:
            return Sandbox(
                tier, python=python, folder=folder / f"sandbox-{tier}", workspaces=folder, limits=Limits()
            )

        sandbox, _ = await choose(tier, make, stack)
        atexit.register(stack.pop_all().close)
    return sandbox
