"""The commands that a node has not confirmed: numbered, and kept to be sent again.

number = outbox.add("start", run="a-1")     # raises TooLarge
for text in outbox.messages(): ...          # what was not sent yet, in messages of limited length
outbox.confirm(12)                          # the node has every command up to this number
outbox.rewind()                             # on a new connection: send again what is not confirmed
outbox.withdraw(13)                         # never mind; whether it was never sent
"""

import json
from collections import deque
from typing import Any, NamedTuple

from kernels.errors import TooLarge
from kernels.wire.sizes import MESSAGE

__all__ = ["Outbox"]

LARGEST = MESSAGE - 2  # bytes of one command; the brackets of its list take two
TOGETHER = 4 << 20  # bytes of the commands that share a message


class Command(NamedTuple):
    """A command with its number, as JSON in ASCII."""

    number: int
    text: str


class Outbox:
    """See the module's text."""

    def __init__(self) -> None:
        self.confirmed = 0  # the highest number, ever
        self._last = 0
        self._sent = 0  # the highest number, ever
        self._unsent: deque[Command] = deque()
        self._unconfirmed: deque[Command] = deque()

    def __bool__(self) -> bool:
        """Whether there is something to send."""
        return bool(self._unsent)

    def add(self, do: str, fields: dict[str, Any]) -> int:
        """Add a command; returns its number. Raises: TooLarge for one that no node would take."""
        text = json.dumps({"m": self._last + 1, "do": do, **fields})
        if len(text) > LARGEST:
            raise TooLarge(f"a message to the kernel ({do})", len(text), LARGEST, "send less at once")
        self._last += 1
        self._unsent.append(Command(self._last, text))
        return self._last

    def messages(self) -> list[str]:
        """What was not sent yet, as lists of commands. A list over `TOGETHER` has a single command."""
        messages: list[str] = []
        together: list[str] = []
        size = 0
        while self._unsent:
            command = self._unsent.popleft()
            self._unconfirmed.append(command)
            self._sent = max(self._sent, command.number)
            if together and size + len(command.text) > TOGETHER:
                messages.append(f"[{','.join(together)}]")
                together, size = [], 0
            together.append(command.text)
            size += len(command.text)
        return [*messages, f"[{','.join(together)}]"] if together else messages

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
