"""The commands that a node has not confirmed: numbered, and kept to be sent again.

number = outbox.add_command(StartCell(run="a-1", tag=3))    # raises TooLarge
for text in outbox.messages(): ...      # what was not sent yet, in messages of limited length
outbox.confirm(12)                      # the node has every command up to this number
outbox.rewind()                         # on a new connection: send again what is not confirmed
outbox.withdraw(13)                     # do not send it, or not again; returns whether it was never sent
"""

from collections import deque
from typing import NamedTuple

from kernels.errors import TooLarge
from kernels.node.encoding import encode
from kernels.node.messages import Command
from kernels.wire.sizes import MESSAGE

__all__ = ["Outbox"]

LARGEST = MESSAGE - 2  # bytes of one command; the brackets of its list take two
TOGETHER = 4 << 20  # bytes of the commands that share a message


class _Numbered(NamedTuple):
    """A command with its number, as JSON."""

    number: int
    text: bytes


class Outbox:
    """See the module's text. A command has at most `largest` bytes; those in a message, `together`."""

    def __init__(self, *, largest: int = LARGEST, together: int = TOGETHER) -> None:
        self.confirmed = 0  # the highest number, ever
        self._largest = largest
        self._together = together
        self._last = 0
        self._sent = 0  # the highest number, ever
        self._unsent: deque[_Numbered] = deque()
        self._unconfirmed: deque[_Numbered] = deque()

    def __bool__(self) -> bool:
        """Whether there is something to send."""
        return bool(self._unsent)

    def add_command(self, command: Command) -> int:
        """Number and add a command; returns its number. Raises: TooLarge for one that no node would take."""
        command.m = self._last + 1
        text = encode(command)
        if len(text) > self._largest:
            what = f"a message to the kernel ({type(command).__name__})"
            raise TooLarge(what, len(text), self._largest, "send less at once")
        self._last = command.m
        self._unsent.append(_Numbered(command.m, text))
        return command.m

    def messages(self) -> list[bytes]:
        """The commands that were not sent yet, in lists. A longer list has a single command."""
        messages: list[bytes] = []
        together: list[bytes] = []
        size = 0
        while self._unsent:
            command = self._unsent.popleft()
            self._unconfirmed.append(command)
            self._sent = max(self._sent, command.number)
            if together and size + len(command.text) > self._together:
                messages.append(_list(together))
                together, size = [], 0
            together.append(command.text)
            size += len(command.text)
        return [*messages, _list(together)] if together else messages

    def confirm(self, number: int) -> None:
        """The node has every command up to this number."""
        self.confirmed = max(self.confirmed, number)
        while self._unconfirmed and self._unconfirmed[0].number <= number:
            self._unconfirmed.popleft()

    def is_unsent(self, number: int) -> bool:
        """Whether this command was never sent."""
        return number > self._sent

    def withdraw(self, number: int) -> bool:
        """Do not send this command, or not again; returns whether it was never sent."""
        self._unsent = deque(one for one in self._unsent if one.number != number)
        self._unconfirmed = deque(one for one in self._unconfirmed if one.number != number)
        return self.is_unsent(number)

    def rewind(self) -> None:
        """Send every command again that is not confirmed."""
        self._unsent = self._unconfirmed + self._unsent
        self._unconfirmed = deque()

    def clear(self) -> None:
        """Forget every command; the numbering goes on."""
        self._unsent.clear()
        self._unconfirmed.clear()


def _list(commands: list[bytes]) -> bytes:
    return b"[" + b",".join(commands) + b"]"
