"""The two ways to start a kernel's process: `Plain`, an ordinary one, and `Confining`, forked in a sandbox.

starter = Confining(sandbox, workspace, bell)
async with KernelProcess.start(starter, folder, receive) as process: ...
"""

import fcntl
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
from kernels.process.launch import plan
from kernels.provisioner import ConfinedProvisioner, PlainProvisioner
from kernels.sandbox.confined import Sandbox
from kernels.workspace.temporary import ALIVE

__all__ = ["Confining", "Plain"]


@dataclass(frozen=True, slots=True)
class Plain:
    """An ordinary process by the interpreter `python`; `bell` is the broker's."""

    python: Path
    workspace: Path
    bell: int

    def manager(self, folder: Path) -> AsyncKernelManager:
        """A manager for a kernel with this run folder."""
        manager = _manager(folder)
        manager.provisioner = PlainProvisioner(parent=manager, kernel_spec=manager.kernel_spec)
        return manager

    async def start(self, manager: AsyncKernelManager, output: BinaryIO, words: Mapping[str, int]) -> None:
        """Start it; what it writes to stderr until it is up goes to `output`, its `words` to these."""
        folder = Path(manager.connection_file).parent
        launch = plan(
            self.python,
            run_folder=folder,
            workspace=self.workspace,
            bell=self.bell,
            words=words,
            outside=os.environ,
        )
        for path in launch.writable:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        cast(KernelSpec, manager.kernel_spec).argv = list(launch.argv)
        await manager.start_kernel(
            cwd=str(launch.folder),
            env=dict(launch.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            pass_fds=(self.bell, *words.values()),
        )
        lower(cast(PlainProvisioner, manager.provisioner).pid)


@dataclass(frozen=True, slots=True)
class Confining:
    """A process forked from the sandbox's zygote; `bell` is the broker's."""

    sandbox: Sandbox
    workspace: Path
    bell: int

    def manager(self, folder: Path) -> AsyncKernelManager:
        """A manager for a kernel with this run folder."""
        manager = _manager(folder)
        manager.provisioner = ConfinedProvisioner(
            parent=manager, kernel_spec=manager.kernel_spec, sandbox=self.sandbox, folder=folder
        )
        return manager

    async def start(self, manager: AsyncKernelManager, output: BinaryIO, words: Mapping[str, int]) -> None:
        """Start it; what it writes to stderr until it is up goes to `output`, its `words` to these."""
        folder = Path(manager.connection_file).parent
        with (folder / ALIVE).open("wb") as alive:
            fcntl.flock(alive, fcntl.LOCK_EX)  # held by the kernel's init as long as it lives
            provisioner = cast(ConfinedProvisioner, manager.provisioner)
            provisioner.descriptors = {"files": self.bell, "alive": alive.fileno(), **words}
            await manager.start_kernel(cwd=str(self.workspace), env={}, stderr=output)


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
