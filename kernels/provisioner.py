"""Two provisioners of jupyter_client, which start and end a kernel's process: confined and plain.

    manager.provisioner = ConfinedProvisioner(parent=manager, sandbox=sandbox, ...)     # before the start

`ConfinedProvisioner` has a kernel forked from the zygote, in a sandbox. Jupyter's own programs find it by the
entry point `kernelcord` of the group `jupyter_client.kernel_provisioners`, which the kernel spec names that
`python -m kernels.kernelspec` installs. `PlainProvisioner` starts an ordinary process. Confined kernels
listen on sockets in a folder (ipc): tcp, the manager's default, would need a network and be open to every
user of the machine. https://jupyter-client.readthedocs.io/en/stable/provisioning.html
"""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from traitlets import Any as AnyTrait
from traitlets import Unicode

from kernels.concurrency.threads import in_thread
from kernels.errors import KernelStartFailed
from kernels.inside.procfs import started
from kernels.limits import Fault
from kernels.process.jupyter_sandbox import shared
from kernels.process.reattached import Adopted, Process, Unwatched
from kernels.process.waits import ended
from kernels.sandbox.confined import Confined
from kernels.workspace.temporary import create_locked, remove_ours

__all__ = ["ConfinedProvisioner", "PlainProvisioner"]

CHANNELS = ("shell", "iopub", "stdin", "control")
BACKLOG = 16  # connections of clients that have not been accepted yet


class PlainProvisioner(Unwatched, LocalProvisioner):
    """An ordinary process, whose end is noticed at once, and whose process group ends with it."""

    async def wait(self) -> int | None:
        """The exit code, when it has ended."""
        pid = getattr(self, "pid", None)
        if pid is not None and hasattr(os, "pidfd_open"):
            await ended(pid)
            await self.kill()  # what it left running: until it is reaped the process group is surely its own
        return await super().wait()  # reaps it; without a pidfd this looks every 0.1 s


class ConfinedProvisioner(KernelProvisionerBase):
    """A kernel forked from a zygote, in `sandbox` or, without one, in `process.jupyter_sandbox`."""

    python = Unicode("", help="the kernels' interpreter, without a sandbox")
    tier = Unicode("", help="its tier then: A (user namespaces), B (Landlock), or the stronger that works")
    sandbox = AnyTrait(None, allow_none=True, help="a kernels.sandbox.confined.Sandbox")
    folder = AnyTrait(None, allow_none=True, help="the kernel's run folder")

    _kernel: Confined | Adopted | None = None
    _detached = False
    _lock: BinaryIO | None = None  # of a run folder that we have made

    @property
    def has_process(self) -> bool:
        """Whether there is a process."""
        return self._kernel is not None

    @property
    def pid(self) -> int | None:
        """The process id of the kernel's init."""
        return self._kernel.child.pid if self._kernel else None

    @property
    def fault(self) -> Fault | None:
        """Why it was ended by us or the system, a `kernels.limits.Fault`, or None."""
        return self._kernel.fault if self._kernel else None

    async def poll(self) -> int | None:
        """The exit code; None while it runs."""
        return self._kernel.child.poll() if self._kernel else 0

    async def wait(self) -> int | None:
        """The exit code, when it has ended."""
        return await self._kernel.wait() if self._kernel else None

    async def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel, not to its init."""
        if self._kernel:
            self._kernel.child.signal(signum)

    async def kill(self, restart: bool = False) -> None:  # noqa: ARG002  jupyter_client passes it
        """Kill all its processes."""
        if self._kernel:
            self._kernel.kill()

    async def terminate(self, restart: bool = False) -> None:  # noqa: ARG002
        """Ask it to end, by SIGTERM."""
        await self.send_signal(signal.SIGTERM)

    def cell_started(self) -> None:
        """A cell has started."""
        if self._kernel:
            self._kernel.cell_started()

    def damage(self) -> Fault | None:
        """The limit for which the system has killed some of its processes since the last call, or None."""
        return self._kernel.damage() if self._kernel else None

    async def cell_finished(self, *, wrote: bool, background: timedelta | None) -> None:
        """A cell has finished; `fault` is the limit that it has left behind.

        Whatever keeps running may use `background` of processor time until the next cell (None: no limit).
        """
        if self._kernel:
            await self._kernel.cell_finished(wrote=wrote, background=background)

    def detach(self) -> None:
        """Let it outlive us."""
        if self._kernel:
            self._kernel.detach()
            self._detached = True

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Choose the folder of the sockets, and write the connection file."""
        manager: Any = self.parent
        if self.folder is None:
            self.folder, self._lock = create_locked("jupyter-")
        if manager.transport != "ipc" or not os.path.isabs(manager.ip):
            manager.transport, manager.ip = "ipc", str(self.folder / "s")
        kwargs.pop("extra_arguments", None)
        manager.write_connection_file()
        self.connection_info = manager.get_connection_info()
        return await super().pre_launch(cmd=[], **kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:  # noqa: ARG002
        """Fork it. Its workspace is `cwd`, by default ours; `descriptors` are for it, by name: files, alive.

        Raises: KernelStartFailed, SandboxUnavailable.
        """
        sandbox = self.sandbox or await in_thread(shared, self.python or sys.executable, self.tier)
        workspace = self._workspace(kwargs.get("cwd"))
        connection = {key: _text(value) for key, value in self.connection_info.items()}
        with ExitStack() as opened:
            descriptors = dict(kwargs.get("descriptors") or {})
            if self._lock is not None:  # the kernel inherits the lock, and keeps it when we are gone
                descriptors["alive"] = self._lock.fileno()
            for channel in CHANNELS if self.sandbox else (*CHANNELS, "hb"):
                path = f"{connection['ip']}-{connection[f'{channel}_port']}"
                descriptors[channel] = opened.enter_context(_listening(path)).fileno()
            descriptors["stderr"] = _descriptor(kwargs.get("stderr"), opened)
            self._kernel = await sandbox.launch(
                workspace, self.folder.name, {"connection": connection}, descriptors
            )
        return self.connection_info

    async def cleanup(self, restart: bool = False) -> None:
        """Release what is left of it."""
        kernel, self._kernel = self._kernel, None
        if kernel is not None:
            await kernel.release()
        if self.sandbox is None and not restart and self.folder is not None and not self._detached:
            await in_thread(remove_ours, self.folder)
            self.folder = None
        if self._lock is not None and not restart:
            self._lock.close()
            self._lock = None

    async def get_provisioner_info(self) -> dict[str, Any]:
        """What another program needs to find a detached kernel again; plain values, for JSON.

        That program cannot learn the exit code.
        """
        info = await super().get_provisioner_info()
        info["connection_info"] = {key: _text(value) for key, value in self.connection_info.items()}
        return info | {
            "pid": self.pid,
            "started": started(self.pid) if self.pid else "",
            "folder": str(self.folder or ""),
        }

    async def load_provisioner_info(self, provisioner_info: dict[str, Any]) -> None:
        """Take over a detached kernel: it can be polled, signalled and killed, and its folder is ours."""
        info = dict(provisioner_info["connection_info"])
        info["key"] = str(info["key"]).encode()
        await super().load_provisioner_info({**provisioner_info, "connection_info": info})
        self.folder = Path(provisioner_info["folder"]) if provisioner_info["folder"] else None
        self._detached = False
        if provisioner_info["pid"]:
            self._kernel = Adopted(Process(provisioner_info["pid"], provisioner_info["started"]))

    def _workspace(self, folder: str | None) -> Path:
        """The folder that was asked for, or else our own working folder. Raises: KernelStartFailed."""
        workspace = Path(folder or "").absolute()
        if workspace == workspace.parent:
            raise KernelStartFailed(
                "A confined kernel may write only to its working folder, which cannot be /."
            )
        return workspace


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


@contextlib.contextmanager
def _listening(path: str) -> Iterator[socket.socket]:
    """A socket that listens at `path`; the path stays when this socket is closed."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # of the process before, when a manager restarts its kernel
    with socket.socket(socket.AF_UNIX) as listening:
        os.fchmod(listening.fileno(), 0o600)  # before bind, so that there is no moment without it
        listening.bind(path)
        listening.listen(BACKLOG)
        yield listening


def _descriptor(target: Any, opened: ExitStack) -> int:
    """The descriptor that a caller means by `stderr`, as for subprocess."""
    if isinstance(target, int) and target >= 0:
        return target
    if hasattr(target, "fileno"):
        return int(target.fileno())
    null = os.open(os.devnull, os.O_WRONLY)
    opened.callback(os.close, null)
    return null
