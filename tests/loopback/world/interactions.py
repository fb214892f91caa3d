"""Interactions: what a person has started and what the bot has answered.

interaction = await ada.slash(channel, "run", code="1")
await interaction.wait_for_ack()
message = await interaction.wait_for_message(lambda m: "1" in m.content)
await ada.submit_modal(await click.wait_for_modal(), {"Code": "2"})
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from tests.loopback.clock import WAIT, Clock
from tests.loopback.settings import Limits
from tests.loopback.world.messages import Message
from tests.loopback.world.state import Channel, User

GUILD_CONTEXT, BOT_DM, PRIVATE_CHANNEL = 0, 1, 2
Json = dict[str, Any]


class Kind(IntEnum):
    """How an interaction came about."""

    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


class Answer(IntEnum):
    """The ways to acknowledge one."""

    PONG = 1
    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    CHOICES = 8
    MODAL = 9


@dataclass(eq=False)
class Modal:
    """A form on one person's screen."""

    interaction: Interaction
    custom_id: str
    title: str
    components: list[Json]
    submitted: bool = False

    def fields(self) -> list[tuple[str, Json]]:
        """Its inputs with the label above each; in rows (old) or in labels (new)."""
        found = []
        for part in self.components:
            if part["type"] == 18:
                found.append((part.get("label") or "", part["component"]))
            else:
                found += [(inner.get("label") or "", inner) for inner in part.get("components", [])]
        return found


@dataclass(eq=False)
class Interaction:
    """One interaction; times are of the loopback's clock."""

    id: int
    token: str
    kind: Kind
    user: User
    channel: Channel
    context: int
    data: Json
    created: float
    clock: Clock
    limits: Limits
    user_installed: bool = False
    message: Message | None = None  # whose component was used, or from whose component the modal came
    source: Interaction | None = None  # the one whose modal was submitted
    acknowledged_at: float | None = None
    answer: Answer | None = None
    response: Message | None = None  # the original response
    followups: list[Message] = field(default_factory=list)
    modal: Modal | None = None
    choices: list[Json] | None = None

    def __repr__(self) -> str:
        return f"<Interaction {self.line().strip()}>"

    @property
    def acknowledged(self) -> bool:
        """Whether the bot has answered in time."""
        return self.acknowledged_at is not None

    @property
    def failed(self) -> bool:
        """Whether the person reads "The application did not respond"."""
        return not self.acknowledged and self.clock.now() - self.created > self.limits.acknowledge

    @property
    def expired(self) -> bool:
        """Whether its token is too old."""
        return self.clock.now() - self.created > self.limits.token

    @property
    def ephemeral(self) -> bool:
        """Whether only its person sees the original response."""
        return self.response is not None and self.response.ephemeral

    @property
    def messages(self) -> list[Message]:
        """The response and the followups that are still there."""
        return [m for m in ([self.response] if self.response else []) + self.followups if not m.deleted]

    def line(self) -> str:
        """It and its messages, for whoever reads a failed test."""
        name = self.data.get("name") or self.data.get("custom_id")
        state = "the application did not respond" if self.failed else "not acknowledged yet"
        if self.answer is not None:
            state = self.answer.name
        return "\n".join(
            [f"  {self.kind.name} {name!r}: {state}", *(f"    {m.line()}" for m in self.messages)]
        )

    async def wait_for[T](
        self, look: Callable[[Interaction], T | None], what: str, timeout: float = WAIT
    ) -> T:
        """Wait for what `look` finds in it."""
        return await self.channel.watch.until(lambda: look(self), what, self.line, timeout)

    async def wait_for_ack(self, timeout: float = WAIT) -> Interaction:
        """Itself, once the bot has acknowledged it."""
        return await self.wait_for(lambda i: i if i.acknowledged else None, "an acknowledgement", timeout)

    async def wait_for_message(
        self, predicate: Callable[[Message], object] = lambda _: True, timeout: float = WAIT
    ) -> Message:
        """The first response or followup that is no longer loading and for which `predicate` holds."""

        def look(interaction: Interaction) -> Message | None:
            return next((m for m in interaction.messages if not m.loading and predicate(m)), None)

        return await self.wait_for(look, "a response", timeout)

    async def wait_for_modal(self, timeout: float = WAIT) -> Modal:
        """The form that the bot shows, once it does."""
        return await self.wait_for(lambda i: i.modal, "a modal", timeout)

    async def wait_for_choices(self, timeout: float = WAIT) -> list[Json]:
        """The suggestions (`name`, `value`), once they come."""
        return await self.wait_for(lambda i: i.choices, "choices", timeout)
