"""The two ways to launch a kernel's process: an ordinary one, and one that is forked in a sandbox.

launcher = ConfinedLauncher(sandbox, workspace, request_socket)
async with KernelProcess.start(launcher, folder, receive, StartTimes()) as process: ...
"""

import fcntl
import json
import logging
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from kernels.descriptors import lower
from kernels.process.environment import environment
from kernels.provisioner import ConfinedProvisioner, PlainProvisioner
from kernels.sandbox.confined import INSIDE, Sandbox
from kernels.workspace.temporary import ALIVE

__all__ = ["ConfinedLauncher", "Launcher", "PlainLauncher"]

IPYTHON = "ipython"  # in the run folder of an ordinary process: IPython's settings


@dataclass(frozen=True, slots=True)
class PlainLauncher:
    """An ordinary process of the interpreter `python`. `request_socket` is a descriptor of the broker."""

    python: Path
    workspace: Path
    request_socket: int
    hash_seed: int | None = None

    def manager(self, folder: Path) -> AsyncKernelManager:
        """A manager for a kernel with this run folder."""
        manager = _manager(folder)
        manager.provisioner = PlainProvisioner(parent=manager, kernel_spec=manager.kernel_spec)
        return manager

    async def start(self, manager: AsyncKernelManager, output: BinaryIO, words: Mapping[str, int]) -> None:
        """Start it. Its stderr goes to `output` until it is up; `words` are descriptors of `LastWords`."""
        run_folder = Path(manager.connection_file).parent
        (run_folder / IPYTHON).mkdir(mode=0o700)
        self.workspace.mkdir(mode=0o700, parents=True, exist_ok=True)
        cast(KernelSpec, manager.kernel_spec).argv = self.arguments(run_folder, words)
        await manager.start_kernel(
            cwd=str(self.workspace),
            env=self.environment(run_folder, os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            pass_fds=(self.request_socket, *words.values()),
        )
        lower(cast(PlainProvisioner, manager.provisioner).pid)

    def arguments(self, run_folder: Path, words: Mapping[str, int]) -> list[str]:
        """The command line, as a kernel spec has it: jupyter_client fills in the connection file."""
        inherited = json.dumps({"files": self.request_socket, **words})
        return [str(self.python), str(INSIDE), str(run_folder), inherited, "-f", "{connection_file}"]

    def environment(self, run_folder: Path, outside: Mapping[str, str]) -> dict[str, str]:
        """Its variables: the workspace is its home, and IPython's folder is in the run folder."""
        told = environment(self.python, run_folder / IPYTHON, outside, hash_seed=self.hash_seed)
        return told | {"HOME": str(self.workspace)}


@dataclass(frozen=True, slots=True)
class ConfinedLauncher:
    """A process that is forked from the sandbox's zygote. `request_socket` is a descriptor of the broker."""

    sandbox: Sandbox
    workspace: Path
    request_socket: int

    def manager(self, folder: Path) -> AsyncKernelManager:
        """A manager for a kernel with this run folder."""
        manager = _manager(folder)
        manager.provisioner = ConfinedProvisioner(
            parent=manager, kernel_spec=manager.kernel_spec, sandbox=self.sandbox, folder=folder
        )
        return manager

    async def start(self, manager: AsyncKernelManager, output: BinaryIO, words: Mapping[str, int]) -> None:
        """Start it. Its stderr goes to `output` until it is up; `words` are descriptors of `LastWords`."""
        run_folder = Path(manager.connection_file).parent
        with (run_folder / ALIVE).open("wb") as alive:
            fcntl.flock(alive, fcntl.LOCK_EX)  # held by the kernel's init as long as it lives
            descriptors = {"files": self.request_socket, "alive": alive.fileno(), **words}
            await manager.start_kernel(
                cwd=str(self.workspace), env={}, stderr=output, descriptors=descriptors
            )


Launcher = PlainLauncher | ConfinedLauncher


class _Unconnected(AsyncKernelManager):
    """A manager without a connection of its own: nobody reads it, and a kernel could fill it without end."""

    def _connect_control_socket(self) -> None:
        pass


def _manager(folder: Path) -> AsyncKernelManager:
    manager = _Unconnected(
        connection_file=str(folder / "kernel.json"),
        transport="ipc",
        ip=str(folder / "s"),
        log=logging.getLogger(f"{__name__}.jupyter"),
    )
    manager._kernel_spec = KernelSpec(argv=[], display_name="Kernelcord", language="python")
    return manager
