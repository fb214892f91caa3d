"""What the rest of the program needs of kernels, whether they live in this process or in a node.

    kernels: Kernels = Pool(...)                    # or kernels.client.RemoteNode(...)
    kernel: PersonKernel = kernels.kernel(session_id, files)
    async with kernel.run("x = 1") as run: ...      # run: Cell

`Pool`, `Kernel` and `Run` implement these in this process, `kernels.client` over a socket. The tests in
tests/contract run on both.
"""

import errno
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self

from kernels.broker import FileSource
from kernels.cell.events import Event, UnsavedValue
from kernels.cell.result import Late, RunResult, Variable
from kernels.introspection import Completions
from kernels.limits import Limits
from kernels.state.journey import ChangedFile, Journey, SavedCell
from kernels.workspace.captured import Scan

__all__ = ["WORKSPACE_FULL", "Cell", "Kernels", "PersonKernel", "State"]

WORKSPACE_FULL = errno.EDQUOT  # of the OSError of `PersonKernel.place`


@dataclass(frozen=True, slots=True)
class State:
    """A kernel now: whether a process holds variables, whether a cell runs or waits, and the variables.

    `saved` is the cell as of which its variables were saved last (0: they were not), which may have been by
    another program. That save has `saved_size` bytes, and not what is `unsaved`: what cannot be saved, or
    ("" for what it is) is there only since then.
    """

    alive: bool = False
    busy: bool = False
    variables: tuple[Variable, ...] = ()
    saved: int = 0
    saved_size: int = 0
    unsaved: tuple[UnsavedValue, ...] = ()


class Cell(Protocol):
    """One cell in flight: see `kernels.cell.run`."""

    tag: int
    turn: str  # the id of the turn that it belongs to, for the log
    code: str  # "" where another program began it and its node does not say

    @property
    def result(self) -> RunResult:
        """What came of the cell, once its block is left."""

    @property
    def goes_on(self) -> bool:
        """Whether the cell was left running, for whoever comes back to it."""

    @property
    def question(self) -> int | None:
        """The number of the question that waits for an answer, unique within the cell; None without one.

        It stays the same for another program that goes on with the cell.
        """

    def outputs(self, last: int | None = None) -> tuple[dict[str, Any], ...]:
        """What the cell has shown so far, as nbformat v4 outputs; with `last` only so many of the last ones.

        Its events are folded once, here: whoever shows the cell while it runs asks for this.
        """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __aiter__(self) -> AsyncIterator[Event]: ...

    async def interrupt(self) -> None:
        """Stop the cell; its kernel is killed if that takes over two seconds. The next cell works."""

    async def stop(self) -> None:
        """Stop the cell as a person asked: nothing is killed, but the event `Unstopped` asks."""

    def decide(self, *, kill: bool) -> None:
        """Answer `Unstopped`: kill the kernel now, or wait for the cell's end. Raises: NoQuestion."""

    def answer(self, text: str) -> None:
        """Answer the question that the cell asked last. Raises: NoQuestion, TooLarge."""

    def extend(self, limit: timedelta) -> None:
        """Let the cell run for `limit` in all, instead of the kernel's limit, unless it is being stopped."""

    def settle(self) -> None:
        """The result is recorded: nobody will ask about this cell again."""


class PersonKernel(Protocol):
    """One session's kernel: see `kernels.kernel`. In a node anything may raise KernelError and OSError."""

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The person's variables, as the last cell left them, as far as we know."""

    @property
    def goes_on(self) -> bool:
        """Whether a cell may go on that nobody waits for; its output then arrives by `late`."""

    def run(self, code: str, *, tag: int = 0, turn: str = "", allow_input: bool = True) -> Cell:
        """A cell, to be entered with `async with`; its own time is the limits' `cell`.

        `tag` is the caller's number for the cell, which its late output carries; `turn` is an id for the log.
        Without `allow_input` an `input()` in the cell fails at once.

        Raises: KernelClosed; TooLarge for more than a cell may have.
        """

    def late(self) -> AsyncIterator[Late]:
        """What arrives after its cell has ended. Never ends; for one reader."""

    async def left_running(self) -> Mapping[int, Cell]:
        """The cells that another program began and that are not settled, by their tags."""

    def catch_up(self, since: float | None) -> AbstractAsyncContextManager[Scan]:
        """Take stock of the workspace, once; to be entered.

        What was written from `since` on (seconds since 1970; None: nothing) is news, to be stored here.
        """

    async def state(self) -> State:
        """The kernel as it is now."""

    async def complete(self, code: str, position: int) -> Completions:
        """How the code may go on at this position; nothing while a cell runs, or without a process."""

    async def inspect(self, code: str, position: int) -> str:
        """What is known of the object at this position, as text, or ""; as `complete`."""

    async def widen(self, columns: int) -> None:
        """From now on tables of text may have this many columns; at first it is 80."""

    async def restart(self) -> None:
        """End the process and forget its variables, saved or not; the next cell gets a fresh one.

        The files stay.
        """

    async def place(self, name: str, source: BinaryIO | bytes, *, beside: str = "") -> str:
        """Put a file into the workspace without capturing it; returns the name it got.

        Raises: OSError, with WORKSPACE_FULL if with it the workspace would be over its limit.
        """

    async def write_back(self, name: str, source: BinaryIO | None) -> None:
        """Give this very file of the workspace these bytes, or delete it (None), without capturing it.

        `name` may have folders, which are made; links are not followed.

        Raises: OSError, with WORKSPACE_FULL as `place`, so delete first.
        """

    async def saves(self) -> Sequence[SavedCell]:
        """The saves to which `go_to` can go, oldest first; none if variables are not saved.

        One that is under way, of whichever program, comes to its end first.
        """

    async def go_to(self, number: int, *, keep: bool = False) -> Journey:
        """Replace the process by a fresh one with the variables of a save (0: with none), after any cell.

        What has no save yet is saved first; with `keep`, nothing is done if that fails. If the save cannot be
        read back, the variables are as they were; `Journey.as_of` tells.

        Raises: NoSuchSave, NotSaved, before anything has changed; KernelClosed, KernelStartFailed, OSError.
        """

    async def changed_files(self) -> Sequence[ChangedFile]:
        """The files that are not as of the newest save, once what is under way has ended. Raises: OSError."""

    async def checkpoint(self, name: str) -> SavedCell:
        """Save what has no save yet, and keep that save under a name; an older one of this name is forgotten.

        Raises: CheckpointRefused, OSError.
        """

    async def checkpoints(self) -> Mapping[str, SavedCell]:
        """The saves that are kept under a name, oldest first."""

    async def forget_checkpoint(self, name: str) -> None:
        """Keep the save of this name no longer; without one, nothing happens."""


class Kernels(Protocol):
    """All kernels of a machine: see `kernels.pool`."""

    @property
    def python(self) -> Path:
        """The interpreter that kernels run on."""

    @property
    def limits(self) -> Limits:
        """What a kernel may take."""

    @property
    def tier(self) -> str:
        """How kernels are held: "S", "A", "B" or "none"."""

    @property
    def outlived(self) -> bool:
        """Whether a released kernel lives on, for whoever asks for it again."""

    def kernel(self, session_id: str, source: FileSource) -> PersonKernel:
        """The kernel of a session, the same one at each call."""

    async def release(self, session_id: str) -> None:
        """Stop using a session's kernel: it ends, or lives on in its node."""

    async def untold(self) -> Sequence[str]:
        """The sessions that nobody has open and that have something to tell. Raises: OSError, KernelError."""

    async def remove(self, session_id: str, *, keep_state: bool = False) -> None:
        """End a session's kernel and delete its workspace; a session with neither is no error.

        Its saved variables are deleted too, unless `keep_state`.
        """

    async def branch(self, session_id: str, to: str) -> int:
        """Copy a session's variables and files to a new session; returns the cell as of which they are.

        It is 0 if there are no variables. Variables without a save are saved first, after any cell.

        Raises: FileExistsError if the session `to` has files or saved variables; ValueError, OSError.
        """
