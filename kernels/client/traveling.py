"""A kernel in a node goes back to what it was, or begins anew: `kernels.travel.traveling` does it there."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from kernels.cell.result import Variable
from kernels.client.connection import Link
from kernels.interface import State
from kernels.node import messages
from kernels.state.journey import ChangedFile, Journey, SavedCell

__all__ = ["RemoteTraveling"]


class RemoteTraveling(ABC):
    """What `RemoteKernel` inherits."""

    _link: Link
    _variables: tuple[Variable, ...]

    @abstractmethod
    async def state(self) -> State:
        """The kernel as it is now."""

    @abstractmethod
    def _stop_given_up(self) -> None:
        """Stop the cells that may go on."""

    @abstractmethod
    def _forget_losses(self) -> None:
        """What was lost before need not be told any more."""

    async def restart(self) -> None:
        self._stop_given_up()
        await self._asked(messages.RestartKernel())
        self._variables = ()
        self._forget_losses()

    async def saves(self) -> Sequence[SavedCell]:
        return (await self._asked(messages.ListSaves())).saves

    async def go_to(self, number: int, *, keep: bool = False) -> Journey:
        self._stop_given_up()
        journey = (await self._asked(messages.GoTo(number=number, keep=keep))).journey
        assert journey is not None
        self._forget_losses()
        await self.state()  # which are its variables
        return journey

    async def changed_files(self) -> Sequence[ChangedFile]:
        return (await self._asked(messages.ListChangedFiles())).files

    async def checkpoint(self, name: str) -> SavedCell:
        (saved,) = (await self._asked(messages.MakeCheckpoint(name=name))).saves
        return saved

    async def checkpoints(self) -> Mapping[str, SavedCell]:
        return (await self._asked(messages.ListCheckpoints())).checkpoints

    async def forget_checkpoint(self, name: str) -> None:
        await self._asked(messages.ForgetCheckpoint(name=name))

    async def _asked(self, command: messages.Command) -> messages.Answer:
        """What the node answers."""
        answer = await self._link.call(command)
        self._link.acknowledge(answer.n)
        return answer
