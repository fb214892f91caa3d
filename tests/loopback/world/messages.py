"""Messages, their attachments and every state they have been in.

await message.wait_for(lambda m: "done" in m.content)
[state.content for state in message.history_of_states]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.loopback.clock import WAIT
from tests.loopback.world.state import Channel, User

if TYPE_CHECKING:
    from tests.loopback.world.interactions import Interaction

EPHEMERAL, LOADING, HAS_THREAD, SUPPRESS_EMBEDS = 1 << 6, 1 << 7, 1 << 5, 1 << 2
BUTTON = 2
SELECTS = (3, 5, 6, 7, 8)
LINK_STYLE = 5
Json = dict[str, Any]


@dataclass(eq=False)
class Attachment:
    """A file of a message."""

    id: int
    filename: str
    data: bytes
    content_type: str
    description: str | None = None
    ephemeral: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What a message showed from `at` on (seconds since 1970)."""

    at: float
    content: str
    embeds: tuple[Json, ...]
    components: tuple[Json, ...]
    attachments: tuple[Attachment, ...]
    flags: int


@dataclass(frozen=True, slots=True)
class Button:
    """A button as a person sees it."""

    label: str
    custom_id: str
    disabled: bool
    style: int


@dataclass(eq=False)
class Message:
    """A message; deleted ones stay, with `deleted` True."""

    id: int
    channel: Channel
    author: User
    created: float
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: int = 0
    kind: int = 0
    tts: bool = False
    nonce: str | int | None = None
    edited: float | None = None
    deleted: bool = False
    reference: Message | None = None
    interaction: Interaction | None = None
    ephemeral_for: int | None = None
    allowed_mentions: Json | None = None
    mentions: list[User] = field(default_factory=list)
    mention_roles: list[int] = field(default_factory=list)
    mention_everyone: bool = False
    pinged: set[int] = field(default_factory=set)  # users who got a notification
    reactions: dict[str, list[int]] = field(default_factory=dict)
    thread: Channel | None = None
    history_of_states: list[State] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<Message {self.line()}>"

    @property
    def ephemeral(self) -> bool:
        """Whether only one person sees it."""
        return self.ephemeral_for is not None

    @property
    def loading(self) -> bool:
        """Whether it says that the bot is thinking."""
        return bool(self.flags & LOADING)

    @property
    def url(self) -> str:
        """The link that a person copies."""
        place = self.channel.guild.id if self.channel.guild else "@me"
        return f"https://discord.com/channels/{place}/{self.channel.id}/{self.id}"

    @property
    def buttons(self) -> list[Button]:
        """Its buttons, in order; a link's `custom_id` is empty."""
        return [
            Button(c.get("label") or "", c.get("custom_id", ""), bool(c.get("disabled")), c["style"])
            for c in self.parts()
            if c["type"] == BUTTON
        ]

    @property
    def selects(self) -> list[Json]:
        """Its select menus as the bot sent them."""
        return [c for c in self.parts() if c["type"] in SELECTS]

    def file(self, name: str) -> Attachment:
        """The attachment of that name."""
        for attachment in self.attachments:
            if attachment.filename == name:
                return attachment
        raise AssertionError(f"no file {name!r} at: {self.line()}")

    def parts(self) -> Iterator[Json]:
        """Every component, rows and containers and what is in them."""
        waiting = list(self.components)
        while waiting:
            part = waiting.pop(0)
            yield part
            inner = [*part.get("components", []), *(part[k] for k in ("accessory", "component") if k in part)]
            waiting[:0] = inner

    def keep_state(self, at: float) -> None:
        """Record what it shows now."""
        self.history_of_states.append(
            State(
                at,
                self.content,
                tuple(self.embeds),
                tuple(self.components),
                tuple(self.attachments),
                self.flags,
            )
        )

    def line(self) -> str:
        """The message in one line, for whoever reads a failed test."""
        marks = [
            *(["deleted"] if self.deleted else []),
            *(["ephemeral"] if self.ephemeral else []),
            *(["loading"] if self.loading else []),
            *(a.filename for a in self.attachments),
            *(f"[{b.label}{' off' if b.disabled else ''}]" for b in self.buttons),
        ]
        return f"{self.author.name}: {self.content!r} {' '.join(marks)}".rstrip()

    async def wait_for(self, predicate: Callable[[Message], object], timeout: float = WAIT) -> Message:
        """Itself, once `predicate` holds of it."""
        return await self.channel.watch.until(
            lambda: self if predicate(self) else None, "a change of a message", self._told, timeout
        )

    async def wait_for_reply(
        self, predicate: Callable[[Message], object] = lambda _: True, timeout: float = WAIT
    ) -> Message:
        """The first visible reply to it for which `predicate` holds, once there is one."""
        return await self.channel.wait_for(lambda m: m.reference is self and predicate(m), timeout)

    def _told(self) -> str:
        return "\n".join(f"  {state.content!r} flags {state.flags}" for state in self.history_of_states)
